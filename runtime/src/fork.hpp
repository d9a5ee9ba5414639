#pragma once

namespace coil::detail {

/// Children that are forked off do not have `fd`: it serves this process's loop, or a peer waits for its end.
/// Without memory to remember that, they have it.
/// Threads: any.
void close_in_forked_children(int fd) noexcept;
/// To be called before such a descriptor is closed: its number may be somebody else's then.
void leave_in_forked_children(int fd) noexcept;
/// Both, with no fork in between.
void close_private(int fd) noexcept;

/// Counts the forks on the way to this process, since loops are used. What a loop belongs to is told by it: its ring is
/// not in a child, nor are its descriptors.
/// Threads: any.
unsigned process_number() noexcept;

// For the handlers of fork(2): mutexes are held while the process is copied, so that the child can go on using what they
// guard.

/// Of the frames that threads left behind.
void lock_frame_orphans() noexcept;
void unlock_frame_orphans() noexcept;
/// In the child: the other threads that slabs belonged to do not exist there.
void forget_frame_owners() noexcept;
/// Of the disposition of SIGPIPE. In the child it is put back to what it was before any loop ran.
void lock_dispositions() noexcept;
void unlock_dispositions() noexcept;
void restore_dispositions_in_child() noexcept;

}  // namespace coil::detail
