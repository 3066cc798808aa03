// The constants of e^x = 2^n * e^r with n = round(x / ln 2), shared so that all tiers agree. The
// polynomial is the Taylor series of e^r up to r^7 / 7!, |r| <= ln 2 / 2: error below 1e-8.

#ifndef CKERNELS_EXP_H
#define CKERNELS_EXP_H

#define CK_EXP_LOWEST -87.3f
#define CK_EXP_HIGHEST 88.3f
#define CK_LOG2_E 0x1.715476p0f
/// Adding 1.5 * 2^23 leaves the nearest integer in the low mantissa bits.
#define CK_ROUND_MAGIC 0x1.8p23f
/// ln 2 in two parts; the first has few enough bits that n times it is exact.
#define CK_LN2_HIGH 0x1.62e4p-1f
#define CK_LN2_LOW 0x1.7f7d1cp-20f
#define CK_EXP_C2 0.5f
#define CK_EXP_C3 0x1.555556p-3f
#define CK_EXP_C4 0x1.555556p-5f
#define CK_EXP_C5 0x1.111112p-7f
#define CK_EXP_C6 0x1.6c16c2p-10f
#define CK_EXP_C7 0x1.a01a02p-13f

#endif
