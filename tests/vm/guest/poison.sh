# SPDX-License-Identifier: BSD-2-Clause
# Uses most of what memory is free, so that the kernel looks whether the pages are still as it filled
# them when they were freed (page_poison=1). It complains in its log.
free_kb=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
mkdir -p /tmp/poison
mount -t tmpfs -o size=90% poison /tmp/poison
dd if=/dev/zero of=/tmp/poison/file bs=64k count=$((free_kb * 8 / 10 / 64)) 2>/dev/null
umount /tmp/poison
