#pragma once

#include <string>
#include <string_view>

#include "pipeline/base/error.hpp"

namespace mlpipe {

// Of what kubectl or an API server said, the words that are about the matter: no lines of kubectl's own log,
// no "Error from server (Forbidden):", no advice on kubectl's options.
std::string words_of_cluster(std::string_view said);

// The Error for something that a cluster refused or could not do: `doing` is what for ("creating the Job of
// train"), `said` what kubectl or the API server said. Names the verb, the resource and the namespace that a
// Role lacks, a namespace or quota that is not there, an API server that does not answer, objects that
// someone else owns; each with what to do. Words that are not known are handed on.
Error cluster_failure(std::string_view doing, std::string_view said);

// Whether it said no more than that there is no answer from an API server: what the same call may get later.
bool says_unreachable(std::string_view said);

}  // namespace mlpipe
