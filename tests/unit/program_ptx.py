#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds the packet program's PTX to what its correctness on a GPU rests on, whichever clang made it.

Usage: program_ptx.py PROGRAM_PTX
This reads text. Where NVIDIA's assembler is installed it is also assembled, for GPUs of several generations."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PTX = pathlib.Path(sys.argv[1])
TEXT = PTX.read_text()
CODE = [re.sub(r'//.*', '', line).strip() for line in TEXT.splitlines()]


def count(pattern):
    return sum(re.search(pattern, line) is not None for line in CODE)


def must(condition, text):
    if not condition:
        sys.exit(f'{PTX}: {text}')


def check_form():
    """What drivers since CUDA 10.0 read, on GPUs since Turing; one entry, of the two words that are passed."""
    must('.version 6.3' in CODE, 'not of PTX ISA 6.3')
    must('.target sm_75' in CODE and '.address_size 64' in CODE, 'not for sm_75, 64 bits')
    must(re.search(r'\.visible \.entry program_run\(\s*\.param \.u64 \w+(?:\s*,\s*)\.param \.u64 \w+\s*\)',
                   TEXT), 'program_run is not an entry with two words')
    must(count(r'\.entry\b') == 1, 'has another entry')


def check_inlined():
    """All in registers and shared memory: no stack, nothing called, nothing left to link."""
    for word in r'\.local\b', r'\bcall\b', r'\.func\b', r'\.extern\b':
        must(count(word) == 0, f'has {word}')


def check_memory():
    """Loads and stores name their memory; none is through a cache that is not coherent; frames are read in
    words, not in bytes. What a control thread changes meanwhile is loaded past L1 (lang.h: PL_LOAD)."""
    plain = r'\b(?:ld|st)(?:\.volatile)?(?:\.v\d)?\.[bsuf]\d+\b'
    must(count(plain) == 0, 'has generic loads or stores')
    must(count(r'\bld\.global\.nc\b|\bldu\b') == 0, 'has loads that are not coherent')
    must(count(r'\bld\.global\.[sub]8\b') == 0, 'loads bytes')
    must(count(r'\bld\.global\.v2\.[ub]64\b') >= 4, 'does not load headers by 16 bytes')
    must(count(r'\bld\.volatile\.global\.') >= 20, 'loads tables otherwise than as volatile')
    must(count(r'\bst\.volatile\.global\.u(?:16|32|64)\b') >= 3, 'stores updates otherwise than as volatile')


def check_order():
    """What mailbox.h and mailbox_device.h promise. The looks at `rest`, the updates' head and `posted` are there
    anew, a fence stands between the first two and use, and the third is an acquire; `done` and `applied` are stored
    with release."""
    must(count(r'^ld\.relaxed\.sys\.global\.u64\b') >= 2, 'lacks looks at the mailbox')
    must(count(r'^fence\.sc\.sys;') >= 2, 'lacks fences behind the looks')
    must(count(r'^ld\.acquire\.sys\.global\.u64\b') >= 1, 'lacks the look for bursts')
    must(count(r'^st\.release\.sys\.global\.u64\b') >= 2, 'lacks releases')
    must(count(r'^fence\.acq_rel\.gpu;') >= 1, 'lacks the fence between updates')
    must(count(r'^nanosleep\.u32\b') >= 1, 'does not sleep between looks')
    # By the PTX ISA all threads of a warp come to a barrier together: none may be under a predicate.
    must(count(r'^bar\.sync\s+0;') >= 5, 'lacks barriers')
    must(count(r'@.*\bbar\b') == 0 and count(r'\bbarrier\b') == 0, 'has a barrier not all come to')


def check_copies():
    """What is punted out of the device's memory is copied by 16 bytes, and counted by a group among itself."""
    must(count(r'\batom\.shared\.add\.u32\b') == 1 and count(r'\b(?:atom|red)\b') == 1,
         'has other atomics than one in shared memory')
    must(count(r'\bst\.global\.v2\.[ub]64\b') >= 2, 'does not copy by 16 bytes')


def check_assembler():
    ptxas = shutil.which('ptxas') or shutil.which('ptxas', path='/usr/local/cuda/bin')
    if not ptxas:
        return 'not assembled: there is no ptxas'
    done = []
    for arch in 'sm_75', 'sm_80', 'sm_90', 'sm_100':
        if arch not in subprocess.run([ptxas, '--help'], capture_output=True, text=True).stdout:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run([ptxas, '-v', '-arch=' + arch, PTX, '-o', folder + '/out'],
                                 capture_output=True, text=True)
        must(run.returncode == 0, run.stderr)
        must(' 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' in run.stderr, run.stderr)
        registers = int(re.search(r'Used (\d+) registers', run.stderr)[1])
        # 65536 registers a multiprocessor, 256 threads a worker: three of them.
        must(registers <= 80, f'takes {registers} registers on {arch}')
        done.append(f'{arch} ({registers} registers)')
    must(done, 'ptxas knows none of the architectures')
    return 'assembled for ' + ', '.join(done)


check_form()
check_inlined()
check_memory()
check_order()
check_copies()
print('PTX as it must be;', check_assembler())
