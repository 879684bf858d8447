#include "pipeline/store/pins.hpp"

#include <fmt/format.h>

#include <array>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

Pin::Kind kind_of(const std::string& name) {
  for (const Pin::Kind kind : {Pin::Kind::result, Pin::Kind::bytes, Pin::Kind::release}) {
    if (name == name_of(kind)) {
      return kind;
    }
  }
  throw Error(fmt::format("the store's index: a pin of an unknown kind, '{}'", printable(name)));
}

}  // namespace

const char* name_of(Pin::Kind kind) {
  switch (kind) {
    case Pin::Kind::result:
      return "result";
    case Pin::Kind::bytes:
      return "bytes";
    case Pin::Kind::release:
      return "release";
  }
  return "";
}

std::vector<Pin> pins(const Store& store) {
  std::vector<Pin> found;
  Statement table = store.database().prepare("SELECT 1 FROM sqlite_master WHERE name = 'pins'");
  if (!table.step()) {
    return found;  // an index of an older mlpipe that cannot be written
  }
  Statement query = store.database().prepare("SELECT kind, name, why, at FROM pins ORDER BY at, kind, name");
  while (query.step()) {
    found.push_back(
        {kind_of(query.text(0)), query.text(1), query.text(2), from_milliseconds(query.integer(3))});
  }
  return found;
}

void add_pin(const Store& store, const Pin& pin) {
  store.database()
      .prepare(
          "INSERT INTO pins(kind, name, why, at) VALUES(?, ?, ?, ?) ON CONFLICT(kind, name) DO UPDATE SET "
          "why "
          "= excluded.why")
      .bind(name_of(pin.kind))
      .bind(pin.name)
      .bind(pin.why)
      .bind(to_milliseconds(pin.at))
      .run();
}

Output pinned_bytes(const Store& store, const Pin& pin) {
  const Output tree{pin.name, true, Digest::from_hex(pin.name), 0};
  return store.blobs().contains(tree) ? tree : Output{pin.name, false, tree.digest, 0};
}

bool remove_pin(const Store& store, Pin::Kind kind, const std::string& name) {
  Statement removal = store.database().prepare("DELETE FROM pins WHERE kind = ? AND name = ? RETURNING kind");
  removal.bind(name_of(kind)).bind(name);
  bool removed = false;
  while (removal.step()) {
    removed = true;
  }
  return removed;
}

}  // namespace mlpipe
