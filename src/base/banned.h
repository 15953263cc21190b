/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFS_BASE_BANNED_H
#define SFS_BASE_BANNED_H

/*
 * Included before everything else. Calls that cannot be used safely do not
 * compile: unbounded copies, hidden state, results that hide errors.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gmtime
#pragma GCC poison localtime mktemp tmpnam strncat

#endif
