# SPDX-License-Identifier: BSD-2-Clause
# Loads kernel modules and what they depend on: sh load.sh NAME[:PARAMETER...]...
for wanted in "$@"; do
	name=${wanted%%:*}
	parameters=
	case $wanted in *:*) parameters=$(echo "${wanted#*:}" | tr : ' ') ;; esac
	while read -r module; do
		grep -q "^$module " /proc/modules && continue
		[ "$module" = "$name" ] || { insmod "/modules/$module.ko" || exit 1; continue; }
		# shellcheck disable=SC2086 # several parameters
		insmod "/modules/$module.ko" $parameters || exit 1
	done <"/modules/$name.order"
done
