#include "pipeline/oci/pod_job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/file_listing.hpp"
#include "pipeline/oci/http.hpp"
#include "pipeline/oci/job_records.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

constexpr const char* job_file = "job.json";
constexpr const char* work_folder = "work";
constexpr const char* checkpoints_folder = "checkpoints";

FileDescriptor open_folder(const fs::path& path) {
  return open_file(path, O_RDONLY | O_DIRECTORY);
}

// What comes out of a remote is only ever at the places that it is for.
void require_within(const FileListing& files, const std::vector<std::string>& places) {
  for (const ListedFile& file : files) {
    if (std::none_of(places.begin(), places.end(), [&](const std::string& place) {
          return file.path == place || file.path.starts_with(place + "/");
        })) {
      throw Error(
          fmt::format("the remote has '{}' for the job, which has no place there", printable(file.path)));
    }
  }
}

// An input's bytes, which are read-only where they are brought to.
void send_input(Remote& remote, const OrderedInput& input, FileListing& files) {
  const FileDescriptor parent = open_folder(input.source.parent_path());
  const std::string name = input.source.filename();
  FileListing sent = send_files(remote, parent.get(), name);
  const auto wanted = input.folder ? ListedFile::Kind::folder : ListedFile::Kind::file;
  if (sent.empty() || sent.front().kind != wanted) {
    throw Error(
        fmt::format("the input {} is no {}", input.source.string(), input.folder ? "folder" : "file"));
  }
  for (ListedFile& file : sent) {
    file.path = fmt::format("{}/{}{}", work_folder, input.path, file.path.substr(name.size()));
    file.read_only = true;
    files.push_back(std::move(file));
  }
}

// A checkpoint that cannot be used is none; one that cannot be asked for now may be there later.
void bring_checkpoint(Remote& remote, const std::string& name, const fs::path& to) {
  try {
    const FileListing files = get_checkpoint(remote, name);
    require_within(files, {checkpoints_folder});
    bring_files(remote, files, to);
  } catch (const Unavailable&) {
    throw;
  } catch (const Error& error) {
    fmt::print(stderr, "mlpipe-registry: the job begins without its checkpoint: {}\n", error.what());
    remove_tree(to / checkpoints_folder);
  }
  fs::create_directories(to / checkpoints_folder);
}

void copy_agent(const fs::path& to) {
  fs::create_directories(to);
  fs::copy_file(sibling_program("mlpipe-agent"), to / "mlpipe-agent");
  fs::permissions(to / "mlpipe-agent", fs::perms(0555));
}

// Adds what a pod printed to the end of a log.
void add_log(Remote& remote, const RemoteBlob& log, const fs::path& to) {
  const fs::path part = to.string() + ".part";
  fs::remove(part);
  remote.get_blob(log, part);
  const FileDescriptor from = open_file(part, O_RDONLY);
  const FileDescriptor whole = open_file(to, O_WRONLY | O_CREAT | O_APPEND, 0644);
  std::string piece(std::size_t{1} << 20U, '\0');
  while (true) {
    const ssize_t count = ::read(from.get(), piece.data(), piece.size());
    if (count < 0) {
      throw_errno(fmt::format("reading {}", part.string()));
    }
    if (count == 0) {
      break;
    }
    write_all(whole.get(), std::string_view(piece).substr(0, static_cast<std::size_t>(count)), to.string());
  }
  fs::remove(part);
}

void bring_outs(Remote& remote, const MadeByPod& made, const std::vector<std::string>& outs,
                const fs::path& work) {
  require_within(made.outs, outs);
  for (const std::string& out : outs) {
    remove_tree(work / out);
  }
  bring_files(remote, made.outs, work);
}

// Of those that have recorded it.
std::vector<MadeByPod> made_by_pods(Remote& remote, const std::string& job, int nodes) {
  std::vector<MadeByPod> made;
  for (int index = 0; index < nodes; ++index) {
    if (auto one = get_made(remote, job, index)) {
      made.push_back(*std::move(one));
    }
  }
  return made;
}

// The one that failed first or, where none has, ended first.
auto deciding_in(const std::vector<MadeByPod>& made) {
  return std::min_element(made.begin(), made.end(), [](const MadeByPod& a, const MadeByPod& b) {
    return a.ending.succeeded() != b.ending.succeeded() ? !a.ending.succeeded()
                                                        : a.ending.finished < b.ending.finished;
  });
}

Made outcome_of(const std::vector<MadeByPod>& made, int nodes) {
  const auto deciding = deciding_in(made);
  if (made.empty() || (deciding->ending.succeeded() && static_cast<int>(made.size()) < nodes)) {
    return Made::nothing;
  }
  return deciding->ending.succeeded() ? Made::succeeded : Made::failed;
}

}  // namespace

void send_job(Remote& remote, const std::string& job, const PodOrder& order, const fs::path& job_directory,
              const std::string& checkpoint) {
  require_record_name(checkpoint);
  const FileDescriptor folder = open_folder(job_directory);
  SentJob sent;
  sent.outs = order.outs;
  sent.checkpoint = checkpoint;
  for (const char* path : {job_file, work_folder}) {
    FileListing files = send_files(remote, folder.get(), path);
    if (files.empty()) {
      throw Error(fmt::format("{} has no {}", job_directory.string(), path));
    }
    sent.files.insert(sent.files.end(), files.begin(), files.end());
  }
  for (const OrderedInput& input : order.inputs) {
    send_input(remote, input, sent.files);
  }
  if (order.anew) {
    put_checkpoint(remote, checkpoint, {});
  }
  put_sent_job(remote, job, sent);
}

void bring_job(Remote& remote, const std::string& job, const fs::path& to, int /*index*/) {
  const SentJob sent = get_sent_job(remote, job);
  for (const char* path : {job_file, work_folder, checkpoints_folder, "home", "tmp", ".agent", ".lock",
                           "begun", "exit.json", "log", "progress"}) {
    remove_tree(to / path);
  }
  require_within(sent.files, {job_file, work_folder});
  bring_files(remote, sent.files, to);
  read_job(to);  // or it is none
  bring_checkpoint(remote, sent.checkpoint, to);
  for (const char* path : {"home", "tmp"}) {
    fs::create_directories(to / path);
  }
  copy_agent(to / ".agent");
}

Made collect_job(Remote& remote, const std::string& job, int nodes, const fs::path& job_directory) {
  std::vector<MadeByPod> made = made_by_pods(remote, job, nodes);
  const Made outcome = outcome_of(made, nodes);
  if (outcome == Made::nothing) {
    return outcome;
  }
  const auto deciding = deciding_in(made);
  Ending ending = deciding->ending;
  for (const MadeByPod& one : made) {
    ending.peak_memory_bytes = std::max(ending.peak_memory_bytes, one.ending.peak_memory_bytes);
  }
  const fs::path log = job_directory / "log.brought";
  fs::remove(log);
  if (!ending.succeeded()) {
    const auto first = made.begin() + (deciding - made.cbegin());
    std::rotate(made.begin(), first, first + 1);
  } else {
    bring_outs(remote, made.front(), read_pod_order(job_directory).outs, job_directory / work_folder);
    for (const MadeByPod& one : made) {
      ending.started = std::min(ending.started, one.ending.started);
      ending.finished = std::max(ending.finished, one.ending.finished);
    }
  }
  for (const MadeByPod& one : made) {
    add_log(remote, one.log, log);
  }
  fs::rename(log, job_directory / "log");
  write_ending(job_directory, ending);
  return outcome;
}

Made look_at_made(Remote& remote, const std::string& job, int nodes) {
  return outcome_of(made_by_pods(remote, job, nodes), nodes);
}

}  // namespace mlpipe
