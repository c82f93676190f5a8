/* SPDX-License-Identifier: BSD-2-Clause */
/* Emulated NICs' way to a GPU's memory: a program of the GPU's that moves what they receive and send between its memory
 * and the host's, so that each byte crosses the bus as it would from and to a NIC (struct pl_remote, `copy`).
 *
 * It runs in the device's primary context, in a stream of its own, beside the packet program: of two contexts only
 * one has the device at a time, and a program that stays would have it for milliseconds. So what ends a
 * context ends it, too: while an accelerator has a copier attached, it tells it. */
#ifndef PEERLANE_ACCEL_CUDA_COPIER_H
#define PEERLANE_ACCEL_CUDA_COPIER_H

#include <peerlane/accel.h>

#include "cuda_api.h"

struct cuda_copier;

/* For the memory `remote` tells of: `device` and `len_bytes`. `api` is copied. No program runs on the device: else it
 * waits for it. Control thread. Returns 0, or -errno with `err` filled: -ENOMEM, -EIO, -ENOTSUP. */
int cuda_copier_new(struct cuda_copier **copier, const struct cuda_api *api, int device,
		    const struct pl_remote *remote, struct pl_error *err);

/* No NIC uses it any more. Accepts NULL. */
void cuda_copier_free(struct cuda_copier *copier);

/* PL_REMOTE_STAGING bytes. */
uint8_t *cuda_copier_staging(const struct cuda_copier *copier);

/* As struct pl_remote wants it. */
int cuda_copier_copy(struct cuda_copier *copier, const struct pl_remote_copy *copies, unsigned n);

/* The context is about to be reset. Until it is found again copies fail. */
void cuda_copier_lose(struct cuda_copier *copier);

/* Goes on in the device's present context; does nothing if it has not been lost. No program runs on the device.
 * Whoever opened the accelerator. Returns 0, or -errno with `err` filled. */
int cuda_copier_find(struct cuda_copier *copier, struct pl_error *err);

/* What has been moved. Any thread. */
void cuda_copier_moved(struct cuda_copier *copier, struct pl_accel_moved *moved);

#endif
