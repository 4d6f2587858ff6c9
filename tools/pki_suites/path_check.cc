// Answers for the runner of public suites what our verifier says of a case.
//
// A case is one line of "key=value" parts divided by blanks; certificates and
// lists are base64 divided by commas. The answer is one line: the case's id,
// "OK" or a reason, and a sentence, divided by tabs.

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/bytes/hex.h"
#include "services/common/pki/host_name.h"
#include "services/common/pki/path_verifier.h"
#include "services/common/status/error_reason.h"

namespace sallyport {
namespace {

std::vector<std::string> Decode(const std::string& list) {
  std::vector<std::string> out;
  for (const std::string& one :
       std::vector<std::string>(absl::StrSplit(list, ',', absl::SkipEmpty()))) {
    std::string der;
    absl::Base64Unescape(one, &der);
    out.push_back(std::move(der));
  }
  return out;
}

absl::Status Judge(const std::map<std::string, std::string>& given) {
  const auto text = [&given](const char* key) {
    const auto it = given.find(key);
    return it == given.end() ? std::string() : it->second;
  };
  const auto verifier = PathVerifier::Create(Decode(text("anchors")));
  if (!verifier.ok()) return verifier.status();
  PathQuery query;
  const auto leaf = ParseWholeCertificate(AsBytes(Decode(text("leaf")).at(0)));
  if (!leaf.ok()) return leaf.status();
  query.leaf = *leaf;
  for (const std::string& der : Decode(text("others"))) {
    auto other = ParseWholeCertificate(AsBytes(der));
    // Whoever cannot be read issues nothing; the path may go another way.
    if (other.ok()) query.others.push_back(*std::move(other));
  }
  for (const std::string& der : Decode(text("lists"))) {
    auto list = ParseWholeCrl(AsBytes(der));
    if (list.ok()) query.lists.push_back(*std::move(list));
  }
  query.now = absl::FromUnixSeconds(std::atoll(text("time").c_str()));

  PathRules rules;
  rules.usage.server_auth = text("usage") == "server";
  rules.usage.client_auth = text("usage") == "client";
  rules.strict_form = text("strict") == "1";
  if (!text("lists").empty()) rules.revocation = RevocationRule::kHard;
  if (!text("depth").empty()) {
    rules.max_intermediates =
        static_cast<size_t>(std::atoi(text("depth").c_str()));
  }
  for (const std::string& hex : std::vector<std::string>(
           absl::StrSplit(text("policies"), ',', absl::SkipEmpty()))) {
    rules.policies.acceptable.insert(HexDecode(hex).value());
  }
  rules.policies.require_explicit = text("explicit") == "1";
  rules.policies.inhibit_mapping = text("no_mapping") == "1";
  rules.policies.inhibit_any = text("no_any") == "1";

  PathResult result = (*verifier)->Verify(query, rules);
  if (result.status.ok() && !text("host").empty() &&
      !HoldsHostName(*query.leaf, text("host"))) {
    return MakeError(absl::StatusCode::kUnauthenticated, "NAME_MISMATCH",
                     "the certificate does not hold this name");
  }
  return result.status;
}

}  // namespace
}  // namespace sallyport

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::map<std::string, std::string> given;
    for (const std::string& part : std::vector<std::string>(
             absl::StrSplit(line, ' ', absl::SkipEmpty()))) {
      const size_t equals = part.find('=');
      given[part.substr(0, equals)] = part.substr(equals + 1);
    }
    const absl::Status status = sallyport::Judge(given);
    std::cout << given["id"] << '\t'
              << (status.ok() ? "OK" : sallyport::ReasonOf(status)) << '\t'
              << std::string(status.message()) << std::endl;
  }
  return 0;
}
