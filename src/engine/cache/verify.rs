//! Making what was stored once more, to see that it is the same: for `cache=verify`.
//!
//! Functions that would be decided otherwise by now, since they were not called when that was decided, are not compared.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::image::Image;
use crate::engine::code::compile::MachineCode;
use crate::engine::code::draft::{Loose, StoredPiece, with_details};
use crate::engine::code::space::Piece;
use crate::engine::decide::tier::SITE_MINIMUM;
use crate::engine::decode::program::{FuncId, FunctionKind, SignatureId};
use crate::engine::{Engine, EngineError};

impl Engine {
    /// Compares every byte of the code in `image` with what is made now, and says what differs first.
    pub(super) fn verify(&mut self, image: &Image<'_>) -> Result<Result<(), String>, EngineError> {
        let head = &image.head;
        let plans: BTreeMap<u32, u64> = head.functions.iter().map(|stored| (stored.id, stored.plan)).collect();
        let mut pieces = Vec::new();
        for (stored, own) in with_details(&head.pieces) {
            let made = match stored.piece {
                Piece::Kernel(_) => continue,
                Piece::Wrapper(signature) => Some((self.entry_wrapper(SignatureId(signature))?, false)),
                Piece::Function(id) => match self.program.info(FuncId(id)).kind {
                    FunctionKind::Host { .. } => Some((self.host_wrapper(FuncId(id))?, true)),
                    FunctionKind::Defined { .. } => self.made_as(FuncId(id), plans.get(&id).copied())?,
                },
            };
            pieces.push(match made {
                Some((code, settled)) => {
                    self.statistics.code_verified += 1;
                    Loose::new(stored.piece, code, settled)?
                }
                None => Loose::stored(stored, image.code, &image.details[own]),
            });
        }
        let draft = self.code.draft(pieces)?;
        if draft.code.len() != image.code.len() || draft.pieces.len() != head.pieces.len() {
            return Ok(Err(format!("there are {} bytes of code now, not {}", draft.code.len(), image.code.len())));
        }
        let differs = draft.code.iter().zip(image.code).position(|(made, stored)| made != stored);
        Ok(differs.map_or(Ok(()), |at| Err(self.difference(at, &head.pieces))))
    }

    /// Code of `id`, and whether it is settled, if it is decided now as in `plan`.
    fn made_as(&mut self, id: FuncId, plan: Option<u64>) -> Result<Option<(MachineCode, bool)>, EngineError> {
        let mut decision = self.decide(id, self.tier_at_first_call(id), SITE_MINIMUM)?;
        if Some(decision.hash) != plan {
            return Ok(None);
        }
        let settled = decision.plan.threshold.is_none();
        Ok(Some((self.translate(id, &mut decision.plan)?.0, settled)))
    }

    fn difference(&self, at: usize, pieces: &[StoredPiece]) -> String {
        let of = pieces.partition_point(|stored| stored.offset as usize <= at).checked_sub(1);
        let Some(stored) = of.and_then(|index| pieces.get(index)) else {
            return format!("byte {at} is not what is made now");
        };
        let name = match stored.piece {
            Piece::Function(id) => self.program.name(FuncId(id)),
            other => format!("{other:?}"),
        };
        format!("byte {} of {name} is not what is made now", at - stored.offset as usize)
    }
}
