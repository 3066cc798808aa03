// The products in tiles with the tile instructions computed in C, for tests on processors that do
// not have them.

#ifndef AMXMODEL_H
#define AMXMODEL_H

#include "CKernels.h"

/// The AMX tier with modelled instructions, or NULL without AVX-512 VNNI and BF16. An instruction
/// that a processor would refuse ends the process.
const ck_panel_kernels *amx_model(void);

/// The same, but with one output wrong in every product of many rows.
const ck_panel_kernels *amx_model_with_fault(void);

/// Whether the calling thread has configured tiles that it has not released.
int amx_model_holds_tiles(void);

#endif
