#pragma once

#include <string>

namespace mlpipe {

// Serves one run of mlpipe: reads requests from standard input, one JSON object a line, and writes an answer
// to each on standard output, in the order in which they are done. Pulls and pushes go on beside each other.
// At the end of the input it finishes what was asked, and returns.
//   {"do": "keys"}
//     → {"did": "keys", "keys": ["3f…"], "complete": true}
//   {"do": "pull", "key": "3f…", "to": "DIR", "have": "DIR/blobs/sha256"}
//     writes the record's rows to TO/mlpipe-export.jsonl and those of its bytes that are not in HAVE to
//     TO/blobs/sha256/HEX, as an export of a store is laid out
//     → {"did": "pull", "key": "3f…", "found": true, "bytes": 5120}
//   {"do": "push", "key": "3f…", "rows": "…", "blobs": [{"digest": "sha256:…", "size": 12, "path": "FILE"}]}
//     → {"did": "push", "key": "3f…"}
// What fails is answered with "error" and "hint" besides "did" and "key". Throws UsageError for a URL that
// names no remote.
void remote_command(const std::string& url);

}  // namespace mlpipe
