#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds the PTX of the program that moves emulated NICs' packets to what it rests on, whichever clang made it.

Usage: copier_ptx.py COPIER_PTX
This reads text, and assembles it where NVIDIA's assembler is installed. Nothing of it runs."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PTX = pathlib.Path(sys.argv[1])
TEXT = PTX.read_text()
CODE = [re.sub(r'//.*', '', line).strip() for line in TEXT.splitlines()]
AHEAD = 4  # copier_device.c


def lines(pattern):
    return [i for i, line in enumerate(CODE) if re.search(pattern, line)]


def must(condition, text):
    if not condition:
        sys.exit(f'{PTX}: {text}')


def check_form():
    must('.version 6.3' in CODE and '.target sm_75' in CODE and '.address_size 64' in CODE,
         'not of PTX ISA 6.3 for sm_75, 64 bits')
    entry = re.search(r'\.visible \.entry copy_run\(([^)]*)\)', TEXT)
    must(entry and re.findall(r'\.param \.(\w+)', entry[1]) == ['u64', 'u64', 'u64', 'u32', 'u32'],
         'copy_run is not an entry with three words and two halves')
    for word in r'\.local\b', r'\bcall\b', r'\.func\b', r'\.extern\b', r'\bbar\b', r'\.nc\b', r'\bldu\b':
        must(not lines(word), f'has {word}')


def check_words():
    """All that is moved goes by 16 bytes, and all loads of a turn are on their way before its first store."""
    loads, stores = lines(r'^(@\S+ )?ld\.global'), lines(r'^(@\S+ )?st\.global')
    wide = r'^(@\S+ )?(ld|st)\.global\.v2\.u64\b'
    must(sorted(loads + stores) == lines(wide), 'moves otherwise than by 16 bytes')
    must(not lines(r'^(@\S+ )?(ld|st)(\.v\d)?\.[bsuf]\d+\b'), 'has generic loads or stores')
    must(len(loads) == 1 + AHEAD and len(stores) == AHEAD, f'{len(loads)} loads, {len(stores)} stores')
    must(max(loads) < min(stores), 'stores before all loads are on their way')


def check_assembler():
    ptxas = shutil.which('ptxas') or shutil.which('ptxas', path='/usr/local/cuda/bin')
    if not ptxas:
        return 'not assembled: there is no ptxas'
    known = subprocess.run([ptxas, '--help'], capture_output=True, text=True).stdout
    done = []
    for arch in filter(known.__contains__, ['sm_75', 'sm_80', 'sm_90', 'sm_100']):
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run([ptxas, '-v', '-arch=' + arch, PTX, '-o', folder + '/out'],
                                 capture_output=True, text=True)
        must(run.returncode == 0, run.stderr)
        must(' 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' in run.stderr, run.stderr)
        done.append(f"{arch} ({re.search(r'Used (.+?) registers', run.stderr)[1]} registers)")
    must(done, 'ptxas knows none of the architectures')
    return 'assembled for ' + ', '.join(done)


check_form()
check_words()
print('PTX as it must be;', check_assembler())
