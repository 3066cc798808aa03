// PCRE2 with 8-bit code units: the header wants the width named before it is read.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
