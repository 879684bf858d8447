#pragma once

namespace mlpipe {

// `mlpipe-train summary`: prints the network of a config as a table, without training it. Takes the arguments
// from "summary" on and returns the exit status: 0, 1 (failed) or 2 (wrong request, config or data).
int summary_main(int argc, char** argv);

}  // namespace mlpipe
