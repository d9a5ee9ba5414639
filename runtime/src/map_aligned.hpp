#pragma once
#include <cstddef>

namespace coil::detail {

/// Fresh memory, `size` bytes aligned to `size`, a power of two of at least a page. Given back by munmap.
/// Errors: `std::bad_alloc`.
void* map_aligned(std::size_t size);

}  // namespace coil::detail
