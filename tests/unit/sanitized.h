/* SPDX-License-Identifier: BSD-2-Clause */
/* SANITIZED is defined where a sanitizer makes tests slow, by either compiler. */
#ifndef PEERLANE_TESTS_SANITIZED_H
#define PEERLANE_TESTS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#endif
