# SPDX-License-Identifier: BSD-2-Clause
# Runs a command on the host's files: sh files.sh COMMAND... What it writes stays in the guest's memory.
root=/files
if ! grep -q " $root " /proc/mounts; then
	mkdir -p $root /host /written
	mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 files /host || exit 1
	mount -t tmpfs written /written
	mkdir /written/upper /written/work
	mount -t overlay -o lowerdir=/host,upperdir=/written/upper,workdir=/written/work files $root || exit 1
	for folder in dev proc sys tmp run; do
		mount --rbind /$folder $root/$folder || exit 1
	done
fi
unset PEERLANED
PATH=/usr/sbin:/usr/bin:/sbin:/bin exec chroot $root "$@"
