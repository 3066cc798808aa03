// e^x over the 16-lane vectors of one tier, step by step as in scalar/rowwise.c. Included after the
// tier's lanes.

#ifndef CKERNELS_VECTOR_EXP_H
#define CKERNELS_VECTOR_EXP_H

CK_INLINE lanes lanes_exp(lanes x) {
  x = lanes_minimum(lanes_maximum(x, lanes_broadcast(CK_EXP_LOWEST)),
                    lanes_broadcast(CK_EXP_HIGHEST));
  lanes magic = lanes_broadcast(CK_ROUND_MAGIC);
  lanes shifted = lanes_multiply_add(x, lanes_broadcast(CK_LOG2_E), magic);
  lanes n = lanes_subtract(shifted, magic);
  lanes r = lanes_multiply_add(n, lanes_broadcast(-CK_LN2_HIGH), x);
  r = lanes_multiply_add(n, lanes_broadcast(-CK_LN2_LOW), r);
  lanes p = lanes_multiply_add(lanes_broadcast(CK_EXP_C7), r, lanes_broadcast(CK_EXP_C6));
  p = lanes_multiply_add(p, r, lanes_broadcast(CK_EXP_C5));
  p = lanes_multiply_add(p, r, lanes_broadcast(CK_EXP_C4));
  p = lanes_multiply_add(p, r, lanes_broadcast(CK_EXP_C3));
  p = lanes_multiply_add(p, r, lanes_broadcast(CK_EXP_C2));
  p = lanes_multiply_add(p, r, lanes_broadcast(1.0f));
  p = lanes_multiply_add(p, r, lanes_broadcast(1.0f));
  return lanes_add_exponent(p, shifted);
}

#endif
