#include "CDXSystem.h"
