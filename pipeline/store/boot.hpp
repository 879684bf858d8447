#pragma once

#include "pipeline/store/store.hpp"

namespace mlpipe {

// Bytes get their names before they are on disk; the index row comes after. What a power cut can tear is
// therefore what no row names, and it can only tear what was written under the kernel's last boot. So the
// store remembers the kernel's boot id (the file `boot`), and the first process that opens it for writing
// under another one removes, alone, what the index does not reach: blobs, trees, job folders. Checkpoints
// stay: trainers write them with an fsync of their own. Under the same boot nothing that has its name was
// ever lost, whichever process was killed.
void sweep_after_reboot(const Store& store);

// Notes the boot that a new store was made under.
void note_boot(const std::filesystem::path& store);

}  // namespace mlpipe
