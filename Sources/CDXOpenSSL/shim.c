#include "CDXOpenSSL.h"
