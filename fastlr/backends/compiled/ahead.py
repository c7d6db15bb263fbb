"""Compile kernels ahead, for a processor that need not be this one: what building the package runs, in processes of its own.

    NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES= python -m fastlr.backends.compiled.ahead FOLDER float64_C any ...

writes an object file for each kind, which a linker makes a library of: see `tools/build_kernels.py`.
"""

import sys
from pathlib import Path

import llvmlite.binding as llvm
import numba
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


def object_code(kind: Kind) -> bytes:
    """All kernels of a kind, each under its `header.symbol`; every other function in it is out of a linker's sight."""
    codegen = cpu_target.target_context.codegen()           # which initializes LLVM
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=codegen._get_host_cpu_name(), features=codegen._tm_features, opt=3, reloc="pic", codemodel="default")
    whole = llvm.parse_assembly("")
    whole.triple, whole.data_layout = machine.triple, str(machine.target_data)
    for kernel in kernels_of(kind):
        whole.link_in(_module(kernel, kind))
    whole.link_in(llvm.parse_assembly(_NO_RUN_TIME))
    whole.get_function("NRT_MemInfo_call_dtor").linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(whole, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))
    return bytes(machine.emit_object(whole))


def _module(kernel: str, kind: Kind) -> llvm.ModuleRef:
    """The optimized code of a kernel, and a function with the plain C interface that calls it."""
    dispatcher = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **FLAGS)(c_function(kernel, kind))
    dispatcher.compile(C_TYPES)
    compiled = dispatcher.overloads[C_TYPES]
    module = llvm.parse_bitcode(compiled.library._final_module.as_bitcode())
    inner = compiled.fndesc.llvm_func_name
    wrapper = llvm.parse_assembly(f"""
        declare i32 @{inner}(ptr, ptr, ptr, i64, i64, i64)
        define void @{symbol(kernel, kind)}(ptr %block, i64 %first, i64 %last, i64 %thread) {{
            %returned = alloca ptr
            %error = alloca ptr
            %status = call i32 @{inner}(ptr %returned, ptr %error, ptr %block, i64 %first, i64 %last, i64 %thread)
            ret void
        }}""")
    module.link_in(wrapper)
    for defined in (*module.functions, *module.global_variables):
        if not defined.is_declaration and defined.name != symbol(kernel, kind):
            defined.linkage = "internal"
    return module


def main() -> None:
    """Write an object file for each kind that the command line names."""
    folder, *kinds = sys.argv[1:]
    for name in kinds:
        kind = NO_X if name == "any" else Kind(*name.split("_"))
        (Path(folder) / f"{name}.o").write_bytes(object_code(kind))


if __name__ == "__main__":
    main()
