#pragma once

namespace mlpipe {

// What a network is trained for, and what its last values are.
enum class Task {
  classification,  // logits, one for each label; softmax makes them scores
  binary,          // one logit, of the second of two labels
  regression,      // as many values as there are target columns
  svm,             // margins, one for each label
};

}  // namespace mlpipe
