# SPDX-License-Identifier: BSD-2-Clause
"""The page and the figures of an evaluation, out of its records."""

import statistics

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "evaluation", "font.size": 8})

import matplotlib.pyplot as plt  # noqa: E402: after the choice of what it draws with


def write(folder, data):
    raise NotImplementedError
