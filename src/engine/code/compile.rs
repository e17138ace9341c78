//! Cranelift IR to machine code, with little effort for the baseline and what is enormous, else with all of it.
//!
//! Key types: [`Compiler`], [`Effort`], [`MachineCode`]. Neighbours: `translate` makes the IR, `space` places the result.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{ExternalName, Function, LibCall, TrapCode, UserExternalNameRef};
use cranelift_codegen::isa::{OwnedTargetIsa, TargetFrontendConfig};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{
    CompiledCode, Context, FinalizedMachExceptionHandler, FinalizedMachReloc, FinalizedRelocTarget,
};
use cranelift_frontend::FunctionBuilderContext;
use serde::{Deserialize, Serialize};

use crate::engine::EngineError;
use crate::engine::cpu::CpuFeatures;
use crate::engine::decode::program::FuncId;
use crate::engine::names::{TRAMPOLINE_NOTE, namespace};
use crate::engine::room::{self, NoRoom};
use crate::engine::specialise::KernelId;

/// Instructions and blocks of a function after which the compiler's memory is given back: some tens of megabytes.
const LARGE: usize = 1 << 14;

/// Code generators for every tier, and the memory they reuse.
pub struct Compiler {
    isas: Isas,
    context: Context,
    builder: FunctionBuilderContext,
}

/// How hard the code generator tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// As little as it can, since the body is enormous: time and memory are in proportion to the code.
    Least,
    /// As little, although it could do more. The frame has a slot for almost every value.
    Quick,
    /// Without optimising, but with a small frame. Takes about twice as long.
    Careful,
    Full,
}

/// Machine code before it has a place.
pub struct MachineCode {
    pub bytes: Vec<u8>,
    pub relocations: Vec<Relocation>,
    /// Instructions that may fault, by offset.
    pub traps: Vec<(u32, TrapCode)>,
    /// (offset in the code, offset in the module), ascending.
    pub locations: Vec<(u32, u32)>,
    /// Where calls that throw go on: offsets in the code of the instructions behind them, and of the handlers.
    pub handlers: Vec<(u32, u32)>,
    /// What a call takes of the stack.
    pub frame_bytes: u32,
    pub effort: Effort,
}

/// A place in code that depends on where something is: a distance of 32 bits from the place itself. Nothing in code is an
/// address that a relocation could say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relocation {
    pub offset: u32,
    pub target: Symbol,
    pub addend: i64,
}

/// What a relocation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Symbol {
    Function(FuncId),
    RuntimeTrampoline,
    NoteTrampoline,
    State,
    Kernel(KernelId),
    /// Room in front of a call of this kernel; none is left after pasting.
    Room(KernelId),
    Library(#[serde(with = "super::library")] LibCall),
}

impl Symbol {
    pub const fn kernel(self) -> Option<KernelId> {
        match self {
            Self::Kernel(id) => Some(id),
            _ => None,
        }
    }
}

/// A body that the code generator refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodegenError(pub String);

impl Compiler {
    /// `pinned_base`: linear memory is addressed through the pinned register.
    pub fn new(cpu: CpuFeatures, pinned_base: bool) -> Self {
        let isas = Isas { cpu, pinned_base, quick: None, careful: None, optimising: None };
        Self { isas, context: Context::new(), builder: FunctionBuilderContext::new() }
    }

    pub fn frontend_config(&mut self) -> Result<TargetFrontendConfig, CodegenError> {
        Ok(self.isas.of(Effort::Quick)?.frontend_config())
    }

    /// Compiles the function that `build` makes, with the effort that it asks for.
    pub fn compile(
        &mut self,
        build: impl FnOnce(&mut Function, &mut FunctionBuilderContext) -> Result<Effort, EngineError>,
    ) -> Result<MachineCode, EngineError> {
        self.context.clear();
        let effort = match build(&mut self.context.func, &mut self.builder) {
            Ok(effort) => effort,
            Err(error) => {
                // What was begun would be taken for a part of the next function.
                self.release();
                return Err(error);
            }
        };
        let isa = self.isas.of(effort)?;
        match self.context.compile(&**isa, &mut ControlPlane::default()) {
            Ok(_) => {}
            Err(error) => return Err(CodegenError(error.inner.to_string()).into()),
        }
        let Some(code) = self.context.compiled_code() else { unreachable!("compile succeeded") };
        let function = &self.context.func;
        let is_large = function.dfg.num_insts() + function.dfg.num_blocks() > LARGE;
        let code = machine_code(function, code, effort);
        if is_large {
            // The memory that is reused would stay as large.
            self.release();
        }
        Ok(code?)
    }

    /// Gives back the memory that is reused.
    pub fn release(&mut self) {
        (self.context, self.builder) = (Context::new(), FunctionBuilderContext::new());
    }
}

fn machine_code(function: &Function, code: &CompiledCode, effort: Effort) -> Result<MachineCode, NoRoom> {
    let what = "machine code";
    let mut bytes = Vec::new();
    room::reserve(&mut bytes, code.code_buffer().len(), what)?;
    bytes.extend_from_slice(code.code_buffer());
    Ok(MachineCode {
        bytes,
        relocations: room::collect(code.buffer.relocs().iter().map(|reloc| relocation(function, reloc)), what)?,
        traps: room::collect(code.buffer.traps().iter().map(|trap| (trap.offset, trap.code)), what)?,
        locations: room::collect(code.buffer.get_srclocs_sorted().iter().map(|at| (at.start, at.loc.bits())), what)?,
        handlers: room::collect(handlers(code), what)?,
        frame_bytes: code.buffer.frame_layout().map_or(0, |layout| layout.frame_to_fp_offset),
        effort,
    })
}

/// Each call that may throw has one handler, for whatever is thrown.
fn handlers(code: &CompiledCode) -> impl Iterator<Item = (u32, u32)> + '_ {
    code.buffer.call_sites().filter_map(|site| match site.exception_handlers {
        [FinalizedMachExceptionHandler::Default(handler)] => Some((site.ret_addr, *handler)),
        _ => None,
    })
}

/// Code generators, each made when it is first wanted.
struct Isas {
    cpu: CpuFeatures,
    pinned_base: bool,
    quick: Option<OwnedTargetIsa>,
    careful: Option<OwnedTargetIsa>,
    optimising: Option<OwnedTargetIsa>,
}

impl Isas {
    fn of(&mut self, effort: Effort) -> Result<&OwnedTargetIsa, CodegenError> {
        let (made, settings) = match effort {
            Effort::Least | Effort::Quick => {
                (&mut self.quick, &[("opt_level", "none"), ("regalloc_algorithm", "single_pass")][..])
            }
            Effort::Careful => (&mut self.careful, &[("opt_level", "none")][..]),
            Effort::Full => (&mut self.optimising, &[("opt_level", "speed")][..]),
        };
        Ok(match made {
            Some(isa) => isa,
            None => made.insert(isa(self.cpu, self.pinned_base, settings)?),
        })
    }
}

fn isa(cpu: CpuFeatures, pinned_base: bool, effort: &[(&str, &str)]) -> Result<OwnedTargetIsa, CodegenError> {
    let failed = |error: &dyn ToString| CodegenError(error.to_string());
    let mut flags = settings::builder();
    let common = [
        ("enable_pinned_reg", if pinned_base { "true" } else { "false" }),
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("probestack_size_log2", "12"),
        ("preserve_frame_pointers", "true"),
        // More results than fit in registers go through memory of the caller.
        ("enable_multi_ret_implicit_sret", "true"),
        ("unwind_info", "false"),
        // By near calls, of trampolines.
        ("use_colocated_libcalls", "true"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("enable_heap_access_spectre_mitigation", "false"),
        ("enable_table_access_spectre_mitigation", "false"),
    ];
    for (name, value) in common.iter().chain(effort) {
        flags.set(name, value).map_err(|error| failed(&error))?;
    }
    let mut builder = cranelift_codegen::isa::lookup_by_name("x86_64-unknown-none").map_err(|error| failed(&error))?;
    for feature in cpu.isa_settings() {
        builder.enable(feature).map_err(|error| failed(&error))?;
    }
    builder.finish(settings::Flags::new(flags)).map_err(|error| failed(&error))
}

fn relocation(function: &Function, reloc: &FinalizedMachReloc) -> Relocation {
    assert!(
        matches!(reloc.kind, Reloc::X86PCRel4 | Reloc::X86CallPCRel4),
        "all is near, but there is {:?}",
        reloc.kind
    );
    let target = match &reloc.target {
        FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => symbol(function, *name),
        FinalizedRelocTarget::ExternalName(ExternalName::LibCall(call)) => Symbol::Library(*call),
        other => unreachable!("nothing else is named: {other:?}"),
    };
    Relocation { offset: reloc.offset, target, addend: reloc.addend }
}

fn symbol(function: &Function, name: UserExternalNameRef) -> Symbol {
    let name = &function.params.user_named_funcs()[name];
    match name.namespace {
        namespace::FUNCTION => Symbol::Function(FuncId(name.index)),
        namespace::TRAMPOLINE if name.index == TRAMPOLINE_NOTE => Symbol::NoteTrampoline,
        namespace::TRAMPOLINE => Symbol::RuntimeTrampoline,
        namespace::STATE => Symbol::State,
        namespace::ROOM => Symbol::Room(KernelId::from_number(name.index)),
        namespace::KERNEL => Symbol::Kernel(KernelId::from_number(name.index)),
        other => unreachable!("namespace {other} is not declared"),
    }
}
