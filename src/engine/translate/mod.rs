//! WebAssembly function bodies to Cranelift IR, instrumented as a plan says.
//!
//! Key types: [`Plan`] (what to instrument and specialise), [`Translator`]. The value stack of the body becomes SSA
//! values; `control` keeps the block structure, the other files one group of operators each. The body was validated
//! before, so operand types are known to fit. Neighbours: `program` resolves names, `compile` takes the IR.

mod atomic;
mod bulk;
mod call;
mod conditional;
mod control;
mod exception;
mod extent;
mod fold;
mod hold;
mod in_place;
mod inline;
mod libc_call;
mod literal;
mod locals;
mod memory;
mod numeric;
mod probe;
mod recent;
mod scan;
mod simd;
mod symbols;
mod tail;
mod variable;
mod wrapper;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use cranelift_codegen::ir::{
    AbiParam, AliasRegion, AliasRegionData, FuncRef, Function, GlobalValue, InstBuilder, Signature, SourceLoc, Type,
    UserExternalName, UserFuncName, Value, types,
};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use serde::{Deserialize, Serialize};
use wasmparser::{FuncType, FunctionBody, Operator, ValType};

use crate::engine::code::compile::Effort;
use crate::engine::cpu::CpuFeatures;
use crate::engine::decode::program::{FuncId, FunctionKind, Linkage, Program};
use crate::engine::layout::RuntimeOp;
use crate::engine::names::{TRAMPOLINE_NOTE, TRAMPOLINE_RUNTIME, namespace};
use crate::engine::specialise::KernelId;
use control::Frame;
use extent::Extent;
use hold::Held;
use locals::Local;
use recent::Recent;
use symbols::{call_runtime, import_function, import_state, note_signature, runtime_signature};

pub use scan::{Shape, callees, scan};
pub use wrapper::{entry_wrapper, host_wrapper};

/// How a function is compiled. Ordered from slow to fast code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// Compiled fast, every block and value counted.
    Baseline,
    /// Cranelift's optimiser; sites are sampled.
    Optimised,
    /// As optimised, with guarded paths for the values seen.
    Specialised,
}

/// How a function is to be compiled. Equal plans give equal code, as far as there is memory to make it.
#[derive(Hash)]
pub struct Plan {
    pub tier: Tier,
    /// State offset of its call counter.
    pub calls: usize,
    /// State offset of the number of calls at which it asks for promotion; none if it never does.
    pub threshold: Option<usize>,
    /// State offset of the number of rounds of one loop at which it asks for promotion; baseline only.
    pub promote_at_rounds: Option<usize>,
    /// State offset of its first block counter.
    pub blocks: usize,
    /// Which of its blocks ran in no boot, to lay out code by; empty in the baseline and where that is unknown.
    pub never_ran: Vec<bool>,
    pub sites: Vec<SitePlan>,
    /// Take care that the frame is small; that of the other tiers is.
    pub small_frame: bool,
    /// The libc function is this kernel, whatever its body says.
    pub body: Option<KernelId>,
    /// Functions whose calls are expanded.
    pub callees: BTreeMap<FuncId, CalleePlan>,
}

impl Plan {
    /// The sites of which code above the baseline is, bodies in place of calls included, each with its edition.
    pub fn editions(&self) -> Vec<(usize, usize)> {
        let mut editions = Vec::new();
        let mut next = alloc::vec![self];
        while let Some(plan) = next.pop().filter(|plan| plan.tier > Tier::Baseline) {
            editions.extend(plan.sites.iter().map(|site| (site.number as usize, site.edition_number)));
            next.extend(plan.callees.values().filter_map(|callee| match &callee.how {
                Expansion::Kernel(_) => None,
                Expansion::Body(plan) | Expansion::BodyForConstants(plan) => Some(&**plan),
            }));
        }
        editions
    }
}

/// How calls of one libc function are compiled.
#[derive(Hash)]
pub struct CalleePlan {
    /// State offset of its call counter.
    pub calls: usize,
    pub how: Expansion,
}

/// What stands in place of a call.
#[derive(Hash)]
pub enum Expansion {
    Kernel(KernelId),
    /// The callee's body, translated as this plan says.
    Body(Box<Plan>),
    /// The same where an argument is a constant; else a call.
    BodyForConstants(Box<Plan>),
}

/// How one site is to be compiled.
#[derive(Clone, Debug, Hash)]
pub struct SitePlan {
    /// State offset of the site's cells.
    pub state: usize,
    /// State offset of the cells of its edition that this code is a copy of.
    pub edition: usize,
    /// Numbers by which the engine knows the site, and the edition among those of the site.
    pub number: u32,
    pub edition_number: usize,
    pub probe: Probe,
    pub specialisation: Option<Specialisation>,
}

/// How a site records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Every call.
    Full,
    /// One call in `sample_period`, with that weight.
    Sampled,
}

/// The fast path of a site. The generic path stands behind its guard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Specialisation {
    /// Calls of the libc that take a size.
    Sizes {
        /// Calls with one of these sizes, at most `layout::site::PATHS`, are done in place or by a kernel for that size.
        /// Tested in this order.
        exact: Vec<u32>,
        /// All other calls are this kernel's, shaped for their sizes.
        general: Option<KernelId>,
    },
    /// Indirect calls that reach this function call it directly.
    Target(FuncId),
}

impl Specialisation {
    /// The values that have paths of their own, as the site's probe would record them.
    pub fn values(&self) -> Vec<u64> {
        match self {
            Self::Sizes { exact, .. } => exact.iter().map(|size| u64::from(*size)).collect(),
            Self::Target(target) => alloc::vec![u64::from(target.0) + 1],
        }
    }
}

/// Why a body cannot be compiled although it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranslateError {
    pub function: String,
    /// Offset in the module.
    pub offset: usize,
    pub what: String,
}

impl core::fmt::Display for TranslateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { function, offset, what } = self;
        write!(f, "cannot compile {function} at offset {offset:#x}: {what}")
    }
}

/// What a translation needs besides the body.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    pub program: &'a Program,
    /// Machine address of state memory.
    pub state_base: u64,
    pub cpu: CpuFeatures,
    pub config: TargetFrontendConfig,
    /// Memory that compiling may take.
    pub memory_bytes: u64,
}

/// Translates the body of `id` into `function`; how hard to try to make good code of it.
pub fn translate(
    environment: Environment<'_>,
    id: FuncId,
    plan: &Plan,
    function: &mut Function,
    context: &mut FunctionBuilderContext,
) -> Result<Effort, TranslateError> {
    let program = environment.program;
    let FunctionKind::Defined { module, index } = program.info(id).kind else {
        unreachable!("only defined functions are translated")
    };
    let Some(body) = program.modules[module].body(index) else { unreachable!("a defined function has a body") };
    function.name = function_name(id);
    function.signature = signature(program.function_type(id));
    let builder = FunctionBuilder::new(function, context);
    let mut translator = Translator::new(environment, module, id, plan, builder);
    let translated = match plan.body {
        Some(kernel) => translator.kernel_body(kernel),
        None => translator.body(body),
    };
    translated.map_err(|Refusal { offset, what }| TranslateError { function: program.name(id), offset, what })?;
    let Translator { mut builder, extent, .. } = translator;
    let effort = extent.effort(builder.func, plan, environment.memory_bytes);
    builder.seal_all_blocks();
    builder.finalize(environment.config);
    effort.map_err(|what| TranslateError { function: program.name(id), offset: body.range().start as usize, what })
}

fn function_name(id: FuncId) -> UserFuncName {
    UserFuncName::User(UserExternalName::new(namespace::FUNCTION, id.0))
}

/// The machine type of a WebAssembly type. References are words: a funcref is its function identifier plus one.
pub fn machine_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 | ValType::Ref(_) => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
    }
}

/// The signature of compiled functions. Cranelift's `tail` convention: any number of results, and tail calls.
pub fn signature(ty: &FuncType) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params = ty.params().iter().map(|ty| AbiParam::new(machine_type(*ty))).collect();
    signature.returns = ty.results().iter().map(|ty| AbiParam::new(machine_type(*ty))).collect();
    signature
}

/// What cannot be translated, and where.
struct Refusal {
    offset: usize,
    what: String,
}

impl From<wasmparser::BinaryReaderError> for Refusal {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self { offset: error.offset() as usize, what: error.message().to_string() }
    }
}

/// The translation of one body.
struct Translator<'a> {
    program: &'a Program,
    linkage: &'a Linkage,
    module: usize,
    id: FuncId,
    plan: &'a Plan,
    /// The base of the first memory.
    pinned: Option<Recent>,
    /// The address of state memory.
    state_recent: Option<Recent>,
    calls_made: u32,
    state_base: u64,
    cpu: CpuFeatures,
    memory_bytes: u64,
    builder: FunctionBuilder<'a>,
    stack: Vec<Value>,
    frames: Vec<Frame>,
    extent: Extent,
    /// Whether the current position can be reached; the operators up to the frame's end are skipped where not.
    reachable: bool,
    locals: Vec<Local>,
    /// Where those in the frame are.
    frame_locals: Option<Value>,
    next_block: usize,
    next_site: usize,
    held: Held,
    state: GlobalValue,
    /// Whether the body has a `rethrow`, once that was asked.
    rethrows: Option<bool>,
    /// Instructions that stand in place of calls so far.
    instructions_in_place: usize,
    functions: BTreeMap<(u32, u32), FuncRef>,
    /// The trampoline of notes, by how many words it is given.
    notes: [Option<FuncRef>; 5],
    state_region: AliasRegion,
    memory_region: AliasRegion,
}

impl<'a> Translator<'a> {
    fn new(
        environment: Environment<'a>,
        module: usize,
        id: FuncId,
        plan: &'a Plan,
        mut builder: FunctionBuilder<'a>,
    ) -> Self {
        let state = import_state(&mut builder);
        let mut region = |user_id, description: &'static str| {
            builder.func.dfg.alias_regions.insert(AliasRegionData { user_id, description: description.into() })
        };
        let state_region = region(0, "state");
        let memory_region = region(1, "linear memory");
        Self {
            program: environment.program,
            linkage: &environment.program.linkages[module],
            module,
            id,
            plan,
            pinned: None,
            state_recent: None,
            calls_made: 0,
            state_base: environment.state_base,
            cpu: environment.cpu,
            memory_bytes: environment.memory_bytes,
            builder,
            stack: Vec::new(),
            frames: Vec::new(),
            extent: Extent::default(),
            reachable: true,
            locals: Vec::new(),
            frame_locals: None,
            next_block: 0,
            next_site: 0,
            held: Held::default(),
            state,
            rethrows: None,
            instructions_in_place: 0,
            functions: BTreeMap::new(),
            notes: [None; 5],
            state_region,
            memory_region,
        }
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), Refusal> {
        let params = self.enter();
        self.declare_locals(&params, body)?;
        self.extent = Extent::of_body(self.locals.len());
        self.count_call();
        self.find_quiet_loops();
        let results = self.program.function_type(self.id).results().iter().map(|ty| machine_type(*ty)).collect();
        self.push_frame(control::FrameKind::Function, Vec::new(), results);
        let mut reader = body.get_operators_reader()?;
        let start = body.range().start;
        while !reader.eof() {
            let offset = reader.original_position();
            self.builder.set_srcloc(SourceLoc::new((offset - start) as u32));
            let operator = reader.read()?;
            // Before anything is made of it, for it can name many targets.
            self.extent.note(&operator, self.frames.len(), self.stack.len());
            if let Some(what) = self.extent.excess(self.builder.func, self.memory_bytes) {
                return Err(Refusal { offset: offset as usize, what });
            }
            self.operator(&operator, offset as usize)?;
        }
        Ok(())
    }

    /// Hands the parameters to `kernel` and its results to the caller.
    fn kernel_body(&mut self, kernel: KernelId) -> Result<(), Refusal> {
        let params = self.enter();
        self.count_call();
        let results = self.kernel_call(kernel, &params);
        self.builder.ins().return_(&results);
        Ok(())
    }

    /// The entry block, and the parameters.
    fn enter(&mut self) -> Vec<Value> {
        let entry = self.builder.create_block();
        self.builder.append_block_params_for_function_params(entry);
        self.builder.switch_to_block(entry);
        self.builder.seal_block(entry);
        self.builder.block_params(entry).to_vec()
    }

    fn operator(&mut self, operator: &Operator<'_>, offset: usize) -> Result<(), Refusal> {
        if self.control(operator)? {
            return Ok(());
        }
        if !self.reachable {
            if scan::site_of(self.program, self.module, operator).is_some() {
                self.take_site();
            }
            return Ok(());
        }
        let known = self.variable(operator)
            || self.numeric(operator)
            || self.access(operator)
            || self.atomic(operator)
            || self.bulk(operator)?
            || self.call(operator)?
            || self.tail_call(operator)
            || self.simd(operator);
        if known {
            return Ok(());
        }
        Err(Refusal { offset, what: unsupported(operator) })
    }

    // Values.

    fn pop(&mut self) -> Value {
        let Some(value) = self.stack.pop() else { unreachable!("validated: an operand is on the stack") };
        value
    }

    fn pop_many(&mut self, count: usize) -> Vec<Value> {
        self.stack.split_off(self.stack.len() - count)
    }

    fn top(&mut self) -> Value {
        let value = self.pop();
        self.stack.push(value);
        value
    }

    fn push_const(&mut self, ty: Type, value: i64) {
        let value = self.builder.ins().iconst(ty, value);
        self.stack.push(value);
    }

    fn zero(&mut self, ty: Type) -> Value {
        match ty {
            types::F32 => self.builder.ins().f32const(0.0),
            types::F64 => self.builder.ins().f64const(0.0),
            _ if ty.is_vector() => self.vector_constant(ty, 0),
            _ => self.builder.ins().iconst(ty, 0),
        }
    }

    // Functions.

    fn function_ref(&mut self, id: FuncId) -> FuncRef {
        let program = self.program;
        self.import(namespace::FUNCTION, id.0, || signature(program.function_type(id)))
    }

    fn import(&mut self, space: u32, index: u32, signature: impl FnOnce() -> Signature) -> FuncRef {
        if let Some(known) = self.functions.get(&(space, index)) {
            return *known;
        }
        let function = import_function(&mut self.builder, space, index, signature());
        self.functions.insert((space, index), function);
        function
    }

    /// Asks the engine for `op`.
    fn runtime(&mut self, op: RuntimeOp, args: &[Value]) -> Value {
        let signature = runtime_signature(args.len());
        let function = import_function(&mut self.builder, namespace::TRAMPOLINE, TRAMPOLINE_RUNTIME, signature);
        let call = call_runtime(&mut self.builder, function, op, args);
        self.builder.inst_results(call)[0]
    }

    /// Tells the engine of `op`, without disturbing the code around.
    fn note(&mut self, op: RuntimeOp, args: &[Value]) {
        let words = args.len();
        let function = match self.notes[words] {
            Some(known) => known,
            None => {
                let signature = note_signature(words);
                import_function(&mut self.builder, namespace::TRAMPOLINE, TRAMPOLINE_NOTE, signature)
            }
        };
        self.notes[words] = Some(function);
        call_runtime(&mut self.builder, function, op, args);
    }
}

fn unsupported(operator: &Operator<'_>) -> String {
    let text = alloc::format!("{operator:?}");
    let name: String = text.split([' ', '{']).next().unwrap_or_default().into();
    alloc::format!("instruction {name} is not supported")
}
