// The cases: each tries one tier against the scalar one with random shapes and numbers.

#ifndef CROSS_CASES_H
#define CROSS_CASES_H

#include "CKernels.h"

/// Products of every format with 1 to 17 rows and some with more, and the encoding of their inputs.
void try_products(const ck_panel_kernels *tier);
/// Every stored value of the narrow formats, as a weight.
void try_every_value(const ck_panel_kernels *tier);
/// Normalisation and gated unit.
void try_rowwise(const ck_kernels *tier);
/// Latent attention in every form, with 1 to 64 lanes.
void try_attention(ck_tier tier);
/// Whether the loops for measuring see all that they are given.
void try_limits(ck_tier tier);

#endif
