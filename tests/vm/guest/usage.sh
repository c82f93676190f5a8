# SPDX-License-Identifier: BSD-2-Clause
# What is in use now, as lines "name number".
echo "vectors $(grep -c . /proc/interrupts)"
echo "msi_files $(find /sys/devices -path '*/msi_irqs/*' | wc -l)"
echo 1 >/proc/sys/vm/stat_refresh # what processors count for themselves is added up
sync
echo 3 >/proc/sys/vm/drop_caches
usleep 300000 # what was dropped is freed by RCU
awk '/^nr_foll_pin_acquired/ { a = $2 } /^nr_foll_pin_released/ { r = $2 } END { print "pinned_pages", a - r }' /proc/vmstat
awk '/^HugePages_Free/ { print "huge_pages_free", $2 }' /proc/meminfo
# Those that processors keep for themselves (count) are free too, thousands of them.
awk '/nr_free_pages/ { n += $2 } / count:/ { n += $2 } END { print "free_pages", n }' /proc/zoneinfo
# Each cache has its objects to itself (slub_debug), and none is kept for a processor: the count is exact.
awk 'NR > 2 { print "slab:" $1, $2 }' /proc/slabinfo
# What is unmapped stays in the list for a while ("unpurged").
echo "vmalloc $(grep -vc unpurged /proc/vmallocinfo)"
