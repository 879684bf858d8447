#include "pipeline/store/transfer.hpp"

#include "pipeline/archive/pack.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/process.hpp"
#include "pipeline/store/index_rows.hpp"
#include "pipeline/store/verify.hpp"
#include "tests/store/store_fixture.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class TransferTest : public StoreFixture {
 protected:
  const Archiver archiver_{MLPIPE_ARCHIVE};

  fs::path export_all(const Store& store, const std::string& name) const {
    const fs::path file = scratch(name);
    ExportRequest request;
    request.everything = true;
    export_to(store, request, archiver_, file);
    return file;
  }
  Store other() const { return Store::open(scratch("other")); }

  // The export of a small store, unpacked, for a test to spoil.
  fs::path unpacked() {
    const Result d1 = add("d1", {}, {{"a", "1"}, {"b", "2"}});
    add("d2", {{"d1", d1}}, "two");
    release("m", 1, d1.outputs[0]);
    move_alias("m", "prod", 1);
    unpack(export_all(*store_, "whole.tar"), scratch("unpacked"));
    return scratch("unpacked");
  }
  static void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
    std::string text = read_file(file);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    fs::remove(file);
    write_file_atomically(file, text);
  }
  void expect_refused(const fs::path& folder, const std::string& why) const {
    Store store = other();
    try {
      import_unpacked(store, folder, "f", true);
      ADD_FAILURE() << "accepted, instead of: " << why;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
    }
    EXPECT_TRUE(store.all_results().empty());
    EXPECT_TRUE(verify(store, {}).faults.empty());
  }
};

TEST_F(TransferTest, AnotherStoreHoldsTheSameAfterwards) {
  const Result d1 = add("d1", {}, {{"a", "1"}, {"sub/run.sh", "x"}});
  add("d2", {{"d1", d1}}, "two");
  release("m", 1, d1.outputs[0]);
  move_alias("m", "prod", 1);
  const fs::path file = export_all(*store_, "one.tar");
  EXPECT_EQ(read_file(file), read_file(export_all(*store_, "again.tar")));

  Store store = other();
  ImportReport report = import_from(store, archiver_, file, true);
  EXPECT_EQ(report.results, 2U);
  EXPECT_EQ(report.releases, 1U);
  EXPECT_EQ(report.aliases, 1U);
  EXPECT_TRUE(verify(store, {}).faults.empty());
  EXPECT_EQ(contents(store.directory() / "blobs"), contents(directory() / "blobs"));
  EXPECT_EQ(contents(store.directory() / "trees"), contents(directory() / "trees"));
  EXPECT_EQ(read_file(file), read_file(export_all(store, "back.tar"))) << "rows, ids and times included";
  EXPECT_EQ(store.results(d1.action_key).size(), 1U);

  report = import_from(store, archiver_, file, true);
  EXPECT_EQ(report.results + report.releases + report.aliases + report.blobs, 0U);
  EXPECT_EQ(report.known_results, 2U);
  EXPECT_EQ(read_file(file), read_file(export_all(store, "twice.tar")));
}

TEST_F(TransferTest, APartIsAResultWithWhatItWasMadeFrom) {
  const Result d1 = add("d1", {}, "one");
  const Result d2 = add("d2", {{"d1", d1}}, "two");
  add("d3", {{"d2", d2}}, "three");
  ExportRequest request;
  request.results = {d2.id};
  EXPECT_EQ(export_to(*store_, request, archiver_, scratch("part.tar")).results, 2U);
  Store store = other();
  import_from(store, archiver_, scratch("part.tar"), true);
  EXPECT_EQ(store.all_results().size(), 2U);
  EXPECT_THROW(export_to(*store_, request, archiver_, scratch("part.tar")), UsageError)
      << "it is there already";
}

TEST_F(TransferTest, DamagedBytesAreNotExported) {
  add("d1", {}, "one");
  overwrite(store_->blobs().path_of_blob(digest_of("one")), "x");
  EXPECT_THROW(export_all(*store_, "bad.tar"), Error);
  EXPECT_FALSE(fs::exists(scratch("bad.tar")));
}

TEST_F(TransferTest, AVersionStandsForTheSameBytesEverywhere) {
  const fs::path folder = unpacked();
  Store store = other();
  store_.emplace(Store::open(scratch("other")));
  const Result mine = add("d9", {}, {{"a", "mine"}, {"b", "2"}});
  release("m", 1, mine.outputs[0]);
  move_alias("m", "prod", 1);
  EXPECT_THROW(import_unpacked(store, folder, "f", true), UsageError);
  EXPECT_EQ(store.all_results().size(), 1U);
  EXPECT_EQ(import_unpacked(store, folder, "f", false).results, 2U) << "results only";
}

TEST_F(TransferTest, AnAliasThatMovedHereStaysHere) {
  const fs::path folder = unpacked();
  Store store = other();
  store.database().execute(
      "INSERT INTO alias_events(model, alias, version, reason, at) VALUES('m', 'prod', 1, 'x', 1)");
  EXPECT_EQ(import_unpacked(store, folder, "f", true).kept_aliases, std::vector<std::string>{"m@prod"});
}

TEST_F(TransferTest, RefusesAnIndexThatSaysWhatIsNotSo) {
  const fs::path whole = unpacked();
  const std::vector<std::pair<std::pair<std::string, std::string>, std::string>> cases = {
      {{"export 1", "export 2"}, "the only format that this mlpipe reads"},
      {{"\"succeeded\":true", "\"succeeded\":false"}, "the id of a result is not that"},
      {{"mlpipe-recipe 1\\n", "mlpipe-recipe 1\\n\\n"}, "line 2"},
      {{"\"version\":1", "\"version\":0"}, "no whole number from 1"},
      {{"\"version\":1", "\"version\":2"}, "stands for a release that is not there"},
      {{"\"accuracy\":0.5", "\"accuracy\":\"x\""}, "line"},
      {{"\"bytes\":2", "\"bytes\":3"}, "bytes and should have"},
      {{"\"bytes\":2", "\"bytes\":1e300"}, "no whole number"},
      {{"\"step\":\"d1\"", "\"step\":\"\""}, "a name is empty"},
      {{"\"step\":\"d1\"", "\"step\":\"\\u001b[2J\""}, "characters"},
      {{"{\"release\"", "{\"relief\""}, "unknown kind"},
      {{"\"finished\":1", "\"finished\":99999999"}, "no whole number from 0"},
  };
  for (const auto& [change, why] : cases) {
    const fs::path folder = scratch("spoilt");
    fs::copy(whole, folder, fs::copy_options::recursive);
    replace_in(folder / "mlpipe-export.jsonl", change.first, change.second);
    expect_refused(folder, why);
    remove_tree(folder);
  }
}

TEST_F(TransferTest, RefusesBytesThatAreMissingOrTooMany) {
  const fs::path folder = unpacked();
  std::ofstream(folder / "blobs" / "sha256" / digest_of("extra").hex()) << "extra";
  expect_refused(folder, "that none of its rows names");
  fs::remove(folder / "blobs" / "sha256" / digest_of("extra").hex());
  fs::remove(folder / "blobs" / "sha256" / digest_of("2").hex());
  expect_refused(folder, "neither in it nor in the store");
}

TEST(Tree, RefusesAListingThatTheStoreDoesNotWrite) {
  const auto listing = [](const std::string& entries) {
    return R"({"mlpipe":"tree 1","entries":[)" + entries + "]}";
  };
  const auto file = [](const std::string& path) {
    return R"({"path":")" + path + R"(","digest":"sha256:)" + digest_of("x").hex() +
           R"(","size":1,"executable":false})";
  };
  EXPECT_EQ(parse_tree(listing(file("a") + "," + file("b/c")), {}).size(), 2U);
  for (const std::string& bad :
       {file("../a"), file("/a"), file("a/../../b"), file("./a"), file("a//b"), file("a/"), file("."),
        file(""), file("b") + "," + file("a"), file("a") + "," + file("a"),
        file("a") + "," + file("a-b") + "," + file("a/b"),
        std::string(R"({"path":"a","folder":true},)") + file("a/b"), std::string("1"), std::string("{}"),
        std::string(R"({"path":"a","digest":"sh","size":1,"executable":false})")}) {
    EXPECT_THROW(parse_tree(listing(bad), {}), Error) << bad;
  }
  EXPECT_THROW(parse_tree(" " + listing(""), {}), Error);
  EXPECT_THROW(parse_tree("", {}), Error);
}

class ArchiveTest : public testing::Test {
 protected:
  // A tar file of what `tar` is told to take from the folder.
  fs::path tar(std::vector<std::string> arguments) const {
    const fs::path file = folder_.path() / "made.tar";
    arguments.insert(arguments.begin(),
                     {"tar", "-C", (folder_.path() / "in").string(), "-cf", file.string()});
    Command command;
    command.arguments = std::move(arguments);
    const Captured captured = run_and_capture(std::move(command));
    EXPECT_TRUE(captured.ending.succeeded()) << captured.error;
    return file;
  }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_.path() / "in" / name).parent_path());
    std::ofstream(folder_.path() / "in" / name) << text;
  }
  void expect_refused(const fs::path& file, const std::string& why) const {
    const TemporaryDirectory to;
    try {
      unpack(file, to.path() / "in" / "here");
      ADD_FAILURE() << "accepted, instead of: " << why;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find(why), std::string::npos) << error.what();
    }
    for (const auto& entry : fs::recursive_directory_iterator(to.path())) {
      const std::string path = entry.path().lexically_relative(to.path()).string();
      EXPECT_TRUE(path == "in" || path.starts_with("in/here")) << path;
    }
  }
  TemporaryDirectory folder_;
};

TEST_F(ArchiveTest, RefusesWhatNoExportHolds) {
  const std::string index = "mlpipe-export.jsonl";
  const std::string blob = "blobs/sha256/" + digest_of("x").hex();
  write(index, "{}");
  write(blob, "y");
  write("letter", "dear");
  expect_refused(tar({blob}), "does not begin with mlpipe-export.jsonl");
  expect_refused(tar({index, blob}), "not those that it is named after");
  expect_refused(tar({index, "letter"}), "which no export does");
  expect_refused(tar({index, "blobs"}), "not a plain file");
  expect_refused(tar({"--hard-dereference", index, index}), "twice");
  expect_refused(tar({"-P", "--transform", "s,letter,../letter,", index, "letter"}), "leads out of it");
  expect_refused(tar({"-P", "--transform", "s,letter,/tmp/letter,", index, "letter"}), "leads out of it");
  fs::remove(folder_.path() / "in" / blob);
  fs::create_symlink("/etc/passwd", folder_.path() / "in" / blob);
  expect_refused(tar({index, blob}), "not a plain file");
  fs::remove(folder_.path() / "in" / blob);
  fs::create_hard_link(folder_.path() / "in" / index, folder_.path() / "in" / blob);
  expect_refused(tar({index, blob}), "not a plain file");
  write_file_atomically(folder_.path() / "no.tar", "this is no tar file");
  expect_refused(folder_.path() / "no.tar", "");
  expect_refused(folder_.path() / "none.tar", "there is no such file");
}

TEST_F(ArchiveTest, RefusesAFileThatIsCutOff) {
  write("mlpipe-export.jsonl", std::string(100'000, 'x'));
  const std::string whole = read_file(tar({"mlpipe-export.jsonl"}));
  write_file_atomically(folder_.path() / "cut.tar", whole.substr(0, 50'000));
  expect_refused(folder_.path() / "cut.tar", "cut off");
}

}  // namespace
}  // namespace mlpipe
