// How lwIP speaks to this compiler.
#pragma once

#include <sys/types.h>

#define LWIP_NO_CTYPE_H 0
#define LWIP_RAND()     lwip_random()
#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x)
