#pragma once

#include "pipeline/base/pack.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// A spec in packed bytes, so that a file that did not change need not be parsed again: everything but its
// steps, and each step by itself. `document` is left out: what is read back cannot point into the file's
// text.
void pack_head(const Spec& spec, Packer& packer);
Spec unpack_head(Unpacker& unpacker);
void pack_step(const Step& step, Packer& packer);
Step unpack_step(Unpacker& unpacker);

}  // namespace mlpipe
