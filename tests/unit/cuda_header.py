#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds our declarations of the CUDA driver's interface (lib/accel/cuda_api.h) against NVIDIA's cuda.h.

Usage: cuda_header.py CUDA_API_H COMPILER...
Every function is declared anew after cuda.h, with our parameters, and every constant compared: what differs
does not compile. Skips (77) where there is no cuda.h."""
import pathlib
import re
import subprocess
import sys

FOLDERS = ['/usr/local/cuda/include', '/usr/include', '/opt/cuda/include']

# Where cuda.h has an enumeration of its own and we have int, which is passed the same way.
ENUMS = [('cuGetErrorName', 'int result', 'CUresult result'),
         ('cuGetErrorString', 'int result', 'CUresult result'),
         ('cuDeviceGetAttribute', 'int attribute', 'CUdevice_attribute attribute'),
         ('cuFuncGetAttribute', 'int attribute', 'CUfunction_attribute attribute'),
         ('cuModuleLoadDataEx', 'int *options', 'CUjit_option *options'),
         ('cuMemGetAllocationGranularity', 'int option', 'CUmemAllocationGranularity_flags option'),
         ('cuMemGetHandleForAddressRange', 'int type', 'CUmemRangeHandleType type'),
         ('cuFlushGPUDirectRDMAWrites', 'int target', 'CUflushGPUDirectRDMAWritesTarget target'),
         ('cuFlushGPUDirectRDMAWrites', 'int scope', 'CUflushGPUDirectRDMAWritesScope scope')]

# Structures that we declare: what cuda.h calls them, and their members in the same order.
STRUCTS = {'cuda_location': ('CUmemLocation', ['type', 'id']),
           'cuda_allocation': ('CUmemAllocationProp',
                               ['type', 'requestedHandleTypes', 'location', 'win32HandleMetaData',
                                'allocFlags.compressionType', 'allocFlags.gpuDirectRDMACapable',
                                'allocFlags.usage', 'allocFlags.reserved']),
           'cuda_access': ('CUmemAccessDesc', ['location', 'flags'])}


def main():
    text = pathlib.Path(sys.argv[1]).read_text()
    folder = next((f for f in FOLDERS if pathlib.Path(f, 'cuda.h').exists()), None)
    if not folder:
        print('SKIP: no cuda.h in', *FOLDERS)
        sys.exit(77)

    joined = re.sub(r'\s*\\\n\s*', ' ', text)
    functions = re.findall(r'X\(\w+, +(\w+), +(\([^)]*\))\)', joined)
    constants = re.findall(r'\b(CUDA_(?:SUCCESS|ERROR_\w+)|CU_[A-Z]\w+) = (\d+)', text)
    flags = dict(re.findall(r'#define CU_MEMHOST_(\w+) (\d+)u', text))
    lines = ['#include <cuda.h>', '#include <stddef.h>']
    for symbol, parameters in functions:
        for owner, ours, theirs in ENUMS:
            if owner == symbol:
                assert ours in parameters, (symbol, parameters)
                parameters = parameters.replace(ours, theirs)
        parameters = parameters.replace('uint64_t', 'unsigned long long')
        for ours, (theirs, _) in STRUCTS.items():
            parameters = parameters.replace(f'struct {ours} ', f'{theirs} ')
        # First that cuda.h's present names lead to this symbol at all, then that the types agree.
        lines.append(f'extern __typeof__({symbol}) *const declared_{symbol};')
        lines.append(f'CUresult {symbol}{parameters};')
    for name, value in constants:
        lines.append(f'_Static_assert({name} == {value}, "{name}");')
    for name, value in flags.items():
        for prefix in 'CU_MEMHOSTALLOC_', 'CU_MEMHOSTREGISTER_':
            lines.append(f'_Static_assert({prefix}{name} == {value}, "{prefix}{name}");')
    lines.append('_Static_assert(sizeof(CUresult) == sizeof(int), "results");')
    for ours, (theirs, members) in STRUCTS.items():
        body = re.search(r'struct ' + ours + r' \{\n(.*?)\n\};', text, re.S)[1]
        names = re.findall(r'(\w+)(?:\[\d+\])?;', body)
        assert len(names) == len(members), (ours, names)
        lines.append(f'struct {ours} {{\n{body}\n}};')
        lines.append(f'_Static_assert(sizeof(struct {ours}) == sizeof({theirs}), "{ours}");')
        for our, their in zip(names, members):
            lines.append(f'_Static_assert(offsetof(struct {ours}, {our}) == offsetof({theirs}, {their}) && '
                         f'sizeof(((struct {ours} *)0)->{our}) == sizeof((({theirs} *)0)->{their}), "{our}");')

    # What was read must be all there is: a test that finds nothing would pass.
    assert len(functions) == len(re.findall(r'\bX\(\w+, +cu', joined)) > 30, functions
    assert len(constants) > 30 and len(flags) == 2, (constants, flags)
    source = '\n'.join(lines) + '\n'
    run = subprocess.run([*sys.argv[2:], '-isystem', folder, '-x', 'c', '-Werror', '-fsyntax-only', '-'],
                         input=source, text=True)
    if run.returncode:
        print(source)
        sys.exit(1)
    print(len(functions), 'functions and', len(constants) + 2 * len(flags), 'constants agree with',
          folder + '/cuda.h')


main()
