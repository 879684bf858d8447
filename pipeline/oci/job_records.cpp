#include "pipeline/oci/job_records.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/oci/http.hpp"
#include "pipeline/oci/reference.hpp"

namespace mlpipe {
namespace {

using nlohmann::json;

// Each document says first what it is, and in which format.
constexpr int format = 1;
constexpr const char* job_format = "mlpipe-job";
constexpr const char* made_format = "mlpipe-made";
constexpr const char* checkpoint_format = "mlpipe-checkpoint";

std::string name_of_job(const std::string& job) {
  return "job-" + job;
}
std::string name_of_made(const std::string& job, int index) {
  return fmt::format("made-{}-{}", job, index);
}

void put(Remote& remote, const std::string& name, const json& document, std::vector<RemoteBlob> blobs) {
  remote.put_record(name, {document.dump(), std::move(blobs)});
}

// Calls `read(document)` with the record's document, where there is one.
template <class Read>
auto get(Remote& remote, const std::string& name, const char* kind, Read read)
    -> std::optional<decltype(read(json()))> {
  const std::optional<RemoteRecord> record = remote.get_record(name);
  if (!record) {
    return std::nullopt;
  }
  try {
    const json document = json::parse(record->rows);
    if (document.at(kind) != format) {
      throw Error("it is of a format that this mlpipe does not know");
    }
    return read(document);
  } catch (const std::exception& error) {
    throw Error(fmt::format("the record {} in the remote is damaged: {}", name, printable(error.what())));
  }
}

// An ending has one form, that of exit.json.
json ending_to_json(const Ending& ending) {
  const TemporaryDirectory folder;
  write_ending(folder.path(), ending);
  return json::parse(read_file(folder.path() / "exit.json"));
}
Ending ending_from_json(const json& document) {
  const TemporaryDirectory folder;
  write_file_atomically(folder.path() / "exit.json", document.dump(), 0644, Durability::later);
  return read_ending(folder.path()).value();
}

json blob_to_json(const RemoteBlob& blob) {
  return {{"digest", digest_text(blob.digest)}, {"size", blob.bytes}};
}
RemoteBlob blob_from_json(const json& document) {
  const auto digest = parse_digest(document.at("digest").get<std::string>());
  if (!digest || !document.at("size").is_number_unsigned()) {
    throw Error("a blob in it has no digest or no size");
  }
  return {*digest, document["size"].get<std::uint64_t>()};
}

}  // namespace

void put_sent_job(Remote& remote, const std::string& job, const SentJob& sent) {
  const json document = {{job_format, format},
                         {"files", to_json(sent.files)},
                         {"outs", sent.outs},
                         {"checkpoint", sent.checkpoint}};
  put(remote, name_of_job(job), document, blobs_of(sent.files));
}

SentJob get_sent_job(Remote& remote, const std::string& job) {
  auto sent = get(remote, name_of_job(job), job_format, [](const json& document) {
    SentJob read;
    read.files = listing_from_json(document.at("files"));
    document.at("outs").get_to(read.outs);
    document.at("checkpoint").get_to(read.checkpoint);
    require_record_name(read.checkpoint);
    return read;
  });
  if (!sent) {
    throw UsageError(fmt::format("the remote has no job {}", printable(job)),
                     "is it the remote of the pipeline that started it?");
  }
  return *std::move(sent);
}

void put_made(Remote& remote, const std::string& job, int index, const MadeByPod& made) {
  const json document = {{made_format, format},
                         {"ending", ending_to_json(made.ending)},
                         {"log", blob_to_json(made.log)},
                         {"files", to_json(made.outs)}};
  std::vector<RemoteBlob> blobs = blobs_of(made.outs);
  if (std::find(blobs.begin(), blobs.end(), made.log) == blobs.end()) {
    blobs.push_back(made.log);
  }
  put(remote, name_of_made(job, index), document, std::move(blobs));
}

std::optional<MadeByPod> get_made(Remote& remote, const std::string& job, int index) {
  return get(remote, name_of_made(job, index), made_format, [](const json& document) {
    return MadeByPod{ending_from_json(document.at("ending")), blob_from_json(document.at("log")),
                     listing_from_json(document.at("files"))};
  });
}

void put_checkpoint(Remote& remote, const std::string& name, const FileListing& files) {
  put(remote, name, {{checkpoint_format, format}, {"files", to_json(files)}}, blobs_of(files));
}

FileListing get_checkpoint(Remote& remote, const std::string& name) {
  return get(remote, name, checkpoint_format,
             [](const json& document) { return listing_from_json(document.at("files")); })
      .value_or(FileListing{});
}

}  // namespace mlpipe
