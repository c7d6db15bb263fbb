"""Compile kernels ahead, for a processor that need not be this one: what building the package runs, in processes of its own.

    python -m fastlr.backends.compiled.ahead x86-64-v3 FOLDER float64_C any ...

writes an object file for each kind, which a linker makes a library of: see `tools/build_kernels.py`.
"""

import sys
from pathlib import Path

import llvmlite.binding as llvm
import numba
from numba.core import codegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from fastlr.backends.compiled.header import NO_X, Kind, kernels_of, symbol
from fastlr.backends.compiled.jit import FLAGS
from fastlr.backends.compiled.on_demand import C_TYPES, c_function

# Numba counts references to arrays, and would free those that nobody refers to.  A kernel's arrays belong to its caller: this is
# never reached.
_NO_RUN_TIME = """
    define void @NRT_MemInfo_call_dtor(ptr %array) {
        call void @llvm.trap()
        unreachable
    }
    declare void @llvm.trap()
"""


class _Function(codegen.AOTCodeLibrary):
    """A function and what it calls.  It is optimized as a part of what calls it, and never run by this process."""

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0

    def _optimize_final_module(self) -> None:
        pass


class _Target(codegen.AOTCPUCodegen):
    """A kind of processor."""

    _library_class = _Function

    def set_env(self, env_name: str, env: object) -> None:
        """Keep nothing that only a call from Python needs."""

    def object_code(self, kind: Kind) -> bytes:
        """All kernels of a kind, each under its `header.symbol`; every other function is out of a linker's sight."""
        whole = codegen.AOTCodeLibrary(self, str(kind))
        module = whole._final_module
        for kernel in kernels_of(kind):
            self._link(kernel, kind, module)
        module.link_in(llvm.parse_assembly(_NO_RUN_TIME))
        symbols = {symbol(kernel, kind) for kernel in kernels_of(kind)}
        for defined in (*module.functions, *module.global_variables):
            if not defined.is_declaration and defined.name not in symbols:
                defined.linkage = "internal"
        with global_compiler_lock:
            whole._optimize_final_module()      # A second round, before emitting, vectorizes what this one inlines.
            return bytes(whole.emit_native_object())

    def _link(self, kernel: str, kind: Kind, module: llvm.ModuleRef) -> None:
        """Add a kernel, and a function with the plain C interface that calls it."""
        dispatcher = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **FLAGS)(c_function(kernel, kind))
        dispatcher.compile(C_TYPES)
        compiled = dispatcher.overloads[C_TYPES]
        inner = compiled.fndesc.llvm_func_name
        module.link_in(llvm.parse_assembly(f"""
            declare i32 @{inner}(ptr, ptr, ptr, i64, i64, i64)
            define void @{symbol(kernel, kind)}(ptr %block, i64 %first, i64 %last, i64 %thread) {{
                %returned = alloca ptr
                %error = alloca ptr
                %status = call i32 @{inner}(ptr %returned, ptr %error, ptr %block, i64 %first, i64 %last, i64 %thread)
                ret void
            }}"""))
        module.link_in(compiled.library._get_module_for_linking(), preserve=True)


def main() -> None:
    """Write an object file for each kind that the command line names."""
    processor, folder, *kinds = sys.argv[1:]
    target = cpu_target.target_context._internal_codegen = _Target("fastlr", processor)
    for name in kinds:
        kind = NO_X if name == "any" else Kind(*name.split("_"))
        (Path(folder) / f"{name}.o").write_bytes(target.object_code(kind))


if __name__ == "__main__":
    main()
