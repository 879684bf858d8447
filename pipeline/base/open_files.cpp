#include "pipeline/base/open_files.hpp"

#include "pipeline/base/file.hpp"

namespace mlpipe {

ManyOpenFiles::ManyOpenFiles() {
  if (::getrlimit(RLIMIT_NOFILE, &before_) != 0) {
    throw_errno("asking how many files may be open");
  }
  const rlimit raised{before_.rlim_max, before_.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &raised);  // up to that it is always allowed
}

void ManyOpenFiles::put_back() const {
  ::setrlimit(RLIMIT_NOFILE, &before_);
}

}  // namespace mlpipe
