"""LightGBM's C library, found without importing the package: its Python needs SciPy, which a server does without."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import struct
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

from serving.fast.interface import NoFastPath

# Of LightGBM's c_api.h.
FLOAT32 = 0
PREDICT_NORMAL, PREDICT_CONTRIB = 0, 3
PREDICT_PARAMETERS = b"num_threads=1 verbosity=-1"
FILES = ("lib/lib_lightgbm.so", "lib/lib_lightgbm.dylib", "bin/lib_lightgbm.dll")


@lru_cache(maxsize=1)
def library() -> ctypes.PyDLL:
    """The library, loaded once a process.

    It is called with the interpreter's lock held: a call takes microseconds, and a thread that gave the lock away for them
    could wait 5 ms to get it back.

    Raises:
        NoFastPath: it is not installed, or cannot be loaded.
    """
    found = importlib.util.find_spec("lightgbm")
    places = [
        Path(folder) / file for folder in (found and found.submodule_search_locations) or () for file in FILES
    ]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise NoFastPath("the package lightgbm, which holds lib_lightgbm, is not installed")
    try:
        loaded = ctypes.PyDLL(str(path))
        loaded.LGBM_GetLastError.restype = ctypes.c_char_p
    except (OSError, AttributeError) as error:
        raise NoFastPath(f"{path} cannot be loaded: {error}") from None
    return loaded


class Booster:
    """Trees in LightGBM's text form. Safe to call from several threads: one at a time is answered."""

    def __init__(self, text: bytes, columns: int) -> None:
        """``columns``: how many values a row has, which must be what the trees were trained on.

        Raises:
            NoFastPath: there is no such library, or the text is not a model of one output and so many columns.
        """
        _check_whole(text)
        self._library = library()
        self._handle = ctypes.c_void_p()
        self._fast: dict[int, ctypes.c_void_p] = {}
        self._lock = Lock()
        iterations = ctypes.c_int()
        self._call(
            "LGBM_BoosterLoadModelFromString", text, ctypes.byref(iterations), ctypes.byref(self._handle)
        )
        found = ctypes.c_int()
        self._call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(found))
        if found.value != columns:
            raise NoFastPath(f"columns of the booster: {found.value}, of the encoding: {columns}")
        self._call("LGBM_BoosterGetNumClasses", self._handle, ctypes.byref(found))
        if found.value != 1:
            raise NoFastPath(f"the booster gives {found.value} answers to a row")
        self._row = ctypes.create_string_buffer(4 * columns)
        self._pack = struct.Struct(f"={columns}f").pack_into
        self._out = (ctypes.c_double * (columns + 1))()  # contributions, and their base last
        self._length = ctypes.c_int64()
        self._predict = self._function("LGBM_BoosterPredictForMatSingleRowFast")
        self._arguments = ctypes.byref(self._row), ctypes.byref(self._length), ctypes.byref(self._out)
        for kind in (PREDICT_NORMAL, PREDICT_CONTRIB):
            made = ctypes.c_void_p()
            self._call(
                "LGBM_BoosterPredictForMatSingleRowFastInit", self._handle, kind, 0, -1, FLOAT32, ctypes.c_int32(columns),
                PREDICT_PARAMETERS, ctypes.byref(made),
            )  # fmt: skip
            self._fast[kind] = made
        self._normal, self._contrib = self._fast[PREDICT_NORMAL], self._fast[PREDICT_CONTRIB]

    def predict(self, values: Sequence[float]) -> float:
        """The answer to one row, shape (columns,), each rounded to float32: a probability, or an amount."""
        with self._lock:
            self._pack(self._row, 0, *values)
            if self._predict(self._normal, *self._arguments):
                raise NoFastPath(self._error())
            return self._out[0]

    def contributions(self, values: Sequence[float]) -> list[float]:
        """TreeSHAP (Lundberg et al. 2018, arXiv:1802.03888) of one row: a margin for each column, then the expected one."""
        with self._lock:
            self._pack(self._row, 0, *values)
            if self._predict(self._contrib, *self._arguments):
                raise NoFastPath(self._error())
            return list(self._out)

    def _function(self, name: str) -> ctypes._NamedFuncPointer:
        try:
            return getattr(self._library, name)  # type: ignore[no-any-return]
        except AttributeError:
            raise NoFastPath(f"this lib_lightgbm has no {name}") from None

    def _call(self, name: str, *arguments: object) -> None:
        if self._function(name)(*arguments):
            raise NoFastPath(f"LightGBM refuses the booster: {self._error()}")

    def _error(self) -> str:
        return str(self._library.LGBM_GetLastError().decode(errors="replace")).rstrip(".")

    def __del__(self) -> None:
        for made in getattr(self, "_fast", {}).values():
            self._library.LGBM_FastConfigFree(made)
        if getattr(self, "_handle", None):
            self._library.LGBM_BoosterFree(self._handle)


def _check_whole(text: bytes) -> None:
    """LightGBM cuts the text where its header says that trees begin, and would read beyond the end of a shorter one."""
    header, _, trees = text.partition(b"\nTree=0\n")
    sizes = re.search(rb"^tree_sizes=([\d ]+)$", header, re.MULTILINE)
    if sizes is None or not trees.startswith(b"num_leaves="):
        raise NoFastPath("the booster is no model in LightGBM's text form")
    length = sum(map(int, sizes[1].split())) - len(b"Tree=0\n")
    if trees[length:].lstrip()[:12] != b"end of trees":
        raise NoFastPath("the booster is not whole")
