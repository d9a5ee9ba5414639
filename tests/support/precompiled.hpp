// What all test programs include, compiled once for all of them. No #pragma once: it is compiled by itself.
#include "loop_test.hpp"
