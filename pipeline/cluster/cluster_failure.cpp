#include "pipeline/cluster/cluster_failure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <regex>
#include <span>
#include <vector>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// What was said, in mlpipe's words.
struct Said {
  std::string message;
  std::string hint;
};

using Rule = std::optional<Said> (*)(const std::string& words);

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool holds_any(std::string_view text, std::span<const std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [text](std::string_view part) { return holds(text, part); });
}

// All that a Role lacks, each once.
std::optional<Said> missing_rights(const std::string& words) {
  static const std::regex form(
      R"re(User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)" (?:in the namespace "([^"]*)"|at the cluster scope))re");
  std::vector<std::string> rights;
  std::string user;
  for (std::sregex_iterator match(words.begin(), words.end(), form), end; match != end; ++match) {
    user = (*match)[1];
    const std::string group = (*match)[4];
    const std::string where =
        (*match)[5].matched ? fmt::format("in namespace {}", (*match)[5].str()) : "in all of the cluster";
    std::string right = fmt::format("{} {}{} {}", (*match)[2].str(), (*match)[3].str(),
                                    group.empty() ? "" : "." + group, where);
    if (std::find(rights.begin(), rights.end(), right) == rights.end()) {
      rights.push_back(std::move(right));
    }
  }
  if (rights.empty()) {
    return std::nullopt;
  }
  return Said{fmt::format("{} may not {}", user, join(rights, ", nor ")),
              "its Role lacks that: those in k8s/base/rights hold all that mlpipe needs"};
}

std::optional<Said> missing_namespace(const std::string& words) {
  static const std::regex form(R"re(namespaces? "([^"]*)" not found)re");
  std::smatch match;
  if (!std::regex_search(words, match, form)) {
    return std::nullopt;
  }
  return Said{
      fmt::format("there is no namespace {} in the cluster", match[1].str()),
      fmt::format(
          "make it (`kubectl create namespace {}`), or name another by `kubernetes: {{ namespace: … }}`",
          match[1].str())};
}

std::optional<Said> used_up_quota(const std::string& words) {
  static const std::regex form(R"re((exceeded|failed) quota: ([^,:]+)[,:] ([\s\S]*))re");
  std::smatch match;
  if (!std::regex_search(words, match, form)) {
    return std::nullopt;
  }
  if (match[1] == "failed") {
    return Said{fmt::format("the quota {} asks for more than is said: {}", match[2].str(), match[3].str()),
                "say what it needs in `resources: { cpu: …, memory: … }`"};
  }
  return Said{
      fmt::format("the quota {} leaves no room: {}", match[2].str(), match[3].str()),
      fmt::format("wait until something ends, ask for less, or have the quota raised (`kubectl describe "
                  "quota {}` shows it)",
                  match[2].str())};
}

std::optional<Said> conflicts(const std::string& words) {
  if (!holds(words, "Apply failed with ")) {
    return std::nullopt;
  }
  static const std::regex owner(R"re(conflicts? with "([^"]*)")re");
  static const std::regex field(R"re((?:^|: |- )(\.[^\n]+))re");
  std::vector<std::string> owners;
  std::vector<std::string> fields;
  for (std::sregex_iterator match(words.begin(), words.end(), owner), end; match != end; ++match) {
    owners.push_back((*match)[1]);
  }
  for (std::sregex_iterator match(words.begin(), words.end(), field), end; match != end; ++match) {
    fields.push_back((*match)[1]);
  }
  std::sort(owners.begin(), owners.end());
  owners.erase(std::unique(owners.begin(), owners.end()), owners.end());
  return Said{
      fmt::format("{} belongs to {}", join(fields, ", "), join(owners, " and ")),
      "mlpipe takes nothing from others: have the other leave it, or remove the object once it is not "
      "needed any more"};
}

std::optional<Said> pod_security(const std::string& words) {
  static const std::regex form(R"re(violates PodSecurity "([^"]*)": ([\s\S]*))re");
  std::smatch match;
  if (!std::regex_search(words, match, form)) {
    return std::nullopt;
  }
  return Said{
      fmt::format("the namespace's Pod Security {} does not let it in: {}", match[1].str(), match[2].str()),
      ""};
}

std::optional<Said> unreachable(const std::string& words) {
  if (holds(words, "localhost:8080")) {
    return Said{"there is no kubeconfig that says where a cluster is",
                "set KUBECONFIG, or put one at ~/.kube/config; `kubectl get namespaces` must work"};
  }
  if (!says_unreachable(words)) {
    return std::nullopt;
  }
  return Said{
      fmt::format("the cluster's API server does not answer: {}", words),
      "see that it runs and that the kubeconfig's context is the right one (`kubectl version` must work)"};
}

// Words, whole or a part, and what to do then.
std::optional<Said> known_words(const std::string& words) {
  struct Known {
    std::string_view part;
    std::string_view hint;
  };
  static constexpr Known table[] = {
      {"x509:",
       "the kubeconfig's certificate-authority must be that of the API server; a proxy between them "
       "shows its own certificate"},
      {"must be logged in", "log in again, or renew the token or the certificate in the kubeconfig"},
      {"Unauthorized", "log in again, or renew the token or the certificate in the kubeconfig"},
      {"no matches for kind",
       "install what brings that kind into the cluster, or leave out what asks for it"},
      {"getting credentials: exec", "the kubeconfig's login plugin must be installed and work by itself"},
      {"error looking up service account", "make the ServiceAccount, or name another by `service-account:`"},
      {"no PriorityClass with name", "`kubectl get priorityclasses` lists those there are"},
      {"admission webhook", "the cluster's own rules refuse it: what they ask for stands there"},
      {"failed calling webhook",
       "an admission webhook of the cluster does not answer: its owner has to mend it"},
  };
  for (const Known& known : table) {
    if (holds(words, known.part)) {
      return Said{words, std::string(known.hint)};
    }
  }
  return std::nullopt;
}

bool is_line_of_log(const std::string& line) {
  // "E1121 23:37:19.431664    1030 memcache.go:265] …"
  static const std::regex form(R"(^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ .*)");
  return std::regex_match(line, form);
}

}  // namespace

std::string words_of_cluster(std::string_view said) {
  constexpr std::string_view advice = "Please review the fields above";
  static const std::regex opening(R"(^(?:Error from server(?: \(\w+\))?|error|Error): )");
  std::vector<std::string> lines;
  for (const std::string& line : split(trim(said), '\n')) {
    if (line.starts_with(advice)) {
      break;
    }
    if (!line.empty() && !is_line_of_log(line)) {
      lines.push_back(std::regex_replace(line, opening, ""));
    }
  }
  return join(lines, "\n");
}

bool says_unreachable(std::string_view said) {
  static constexpr std::array<std::string_view, 12> forms = {"connection refused",
                                                             "was refused",
                                                             "i/o timeout",
                                                             "no such host",
                                                             "no route to host",
                                                             "network is unreachable",
                                                             "TLS handshake timeout",
                                                             "Client.Timeout exceeded",
                                                             "context deadline exceeded",
                                                             "connection reset by peer",
                                                             "server misbehaving",
                                                             "http2: client connection lost"};
  return holds_any(said, forms);
}

Error cluster_failure(std::string_view doing, std::string_view said) {
  static constexpr Rule rules[] = {missing_rights, missing_namespace, used_up_quota, conflicts,
                                   pod_security,   unreachable,       known_words};
  const std::string words = words_of_cluster(said);
  for (const Rule rule : rules) {
    if (const auto found = rule(words)) {
      return Error(fmt::format("{}: {}", doing, printable(join(split(found->message, '\n'), " "))),
                   printable(found->hint));
    }
  }
  constexpr std::size_t most_lines = 6;
  return Error(
      fmt::format("{}: {}", doing, printable(join(split(last_lines(words, most_lines), '\n'), " "))));
}

}  // namespace mlpipe
