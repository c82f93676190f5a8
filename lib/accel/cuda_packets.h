/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in the memory of NVIDIA's GPUs. */
#ifndef PEERLANE_ACCEL_CUDA_PACKETS_H
#define PEERLANE_ACCEL_CUDA_PACKETS_H

#include "cuda_api.h"
#include "cuda_copier.h"
#include "private.h"

/* Tells of device `index`, whose number goes into *device (cuda.c). Returns 0 or -errno with info->why filled, as
 * info->unusable. */
int cuda_examine(const struct cuda_api *api, unsigned index, int *device,
		 struct pl_accel_info *info);

/* Fills in info->no_packets, why_no_packets and no_dmabuf; `unusable` and `why` are filled in. */
void cuda_packets_judge(const struct cuda_api *api, int device, struct pl_accel_info *info);

/* Whether a burst needs cuFlushGPUDirectRDMAWrites() before the device reads what NICs have written. */
bool cuda_packets_flush(const struct cuda_api *api, int device);

/* accel_ops.packets_new and packets_free */
int cuda_packets_new(struct pl_accel_packets *packets, unsigned index, size_t len_bytes,
		     struct pl_error *err);
void cuda_packets_free(struct pl_accel_packets *packets);
/* accel_ops.packets_moved */
void cuda_packets_moved(const struct pl_accel_packets *packets, struct pl_accel_moved *moved);

/* What moves emulated NICs' packets there; NULL: nothing does, or it is no memory of this kind. */
struct cuda_copier *cuda_packets_copier(const struct pl_remote *remote);

#endif
