#include "tools/cli/diagnosis.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/config/proto_time.h"
#include "tools/cli/table.h"

namespace sallyport::cli {
namespace {

// Beyond this, credentials and certificates begin to fail.
constexpr absl::Duration kSkewWarning = absl::Seconds(2);
constexpr absl::Duration kSkewFailure = absl::Seconds(30);
constexpr absl::Duration kExpiryWarning = absl::Hours(24 * 30);

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarning:
      return "WARNING";
    case Verdict::kFailed:
      return "FAILED";
  }
  return "";
}

Finding CheckClock(const std::string& where, absl::Time server,
                   absl::Time before, absl::Time after) {
  Finding finding{where, "clock", Verdict::kOk, "", ""};
  const absl::Duration skew = server < before  ? before - server
                              : server > after ? server - after
                                               : absl::ZeroDuration();
  if (skew == absl::ZeroDuration()) {
    finding.detail = "as ours";
    return finding;
  }
  finding.detail = absl::StrCat(
      absl::FormatDuration(absl::Trunc(skew, absl::Milliseconds(1))),
      server < before ? " behind ours" : " ahead of ours");
  if (skew < kSkewWarning) return finding;
  finding.verdict = skew < kSkewFailure ? Verdict::kWarning : Verdict::kFailed;
  finding.advice =
      "set the clocks by NTP: credentials and certificates are "
      "judged by them";
  return finding;
}

}  // namespace

Finding CheckExpiry(const std::string& where, absl::Time not_after,
                    absl::Time now) {
  Finding finding{where, "certificate", Verdict::kOk, "", ""};
  const std::string date =
      absl::FormatTime("%Y-%m-%d %H:%M", not_after, absl::UTCTimeZone());
  const absl::Duration left = not_after - now;
  if (left <= absl::ZeroDuration()) {
    finding.verdict = Verdict::kFailed;
    finding.detail = absl::StrCat("expired at ", date);
    finding.advice = "replace the certificate; no restart is needed";
    return finding;
  }
  finding.detail = absl::StrCat("expires ", date);
  if (left < kExpiryWarning) {
    finding.verdict = Verdict::kWarning;
    finding.advice = "renew the certificate before it expires";
  }
  return finding;
}

std::vector<Finding> CheckInfo(const std::string& where,
                               const type::v1::ServiceInfo& info,
                               absl::Time before, absl::Time after) {
  std::vector<Finding> findings;
  std::string text = info.instance();
  if (!info.version().empty()) absl::StrAppend(&text, ", ", info.version());
  findings.push_back({where, "instance",
                      info.draining() ? Verdict::kWarning : Verdict::kOk,
                      info.draining() ? text + ", draining" : text,
                      info.draining() ? "it ends once its work is done" : ""});
  if (info.has_server_time()) {
    findings.push_back(
        CheckClock(where, FromProto(info.server_time()), before, after));
  }
  for (const type::v1::SourceState& source : info.sources()) {
    Finding finding{where, source.source(), Verdict::kOk, "", ""};
    finding.detail = absl::StrCat("version ", source.active_version(),
                                  source.from_cache() ? ", from its disk" : "");
    if (!source.connected()) {
      finding.verdict = Verdict::kWarning;
      absl::StrAppend(&finding.detail, ", source not connected",
                      source.last_error().empty() ? "" : ": ",
                      source.last_error());
      finding.advice =
          "what is in force goes on; start the source service, "
          "or see why it cannot be reached";
    }
    if (source.active_version() == 0) {
      finding.verdict = Verdict::kFailed;
      finding.advice = "nothing ever came from the source service";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

Finding CheckVersion(const std::string& where, const std::string& what,
                     int64_t configured, int64_t active, bool connected) {
  Finding finding{where, what, Verdict::kOk, "", ""};
  finding.detail =
      absl::StrCat("configured ", configured, ", in force ", active);
  if (!connected) {
    finding.verdict = Verdict::kWarning;
    absl::StrAppend(&finding.detail, ", not connected");
    finding.advice = "the consumer is down, or cannot reach the service";
  } else if (active != configured) {
    finding.verdict = Verdict::kWarning;
    finding.advice =
        "look again in a second; if it stays, see the consumer's "
        "log";
  }
  return finding;
}

std::string FindingsText(const std::vector<Finding>& findings) {
  Table table({"WHERE", "CHECK", "RESULT", "DETAIL"});
  int warnings = 0;
  int failures = 0;
  std::string advice;
  std::set<std::string> given;
  for (const Finding& finding : findings) {
    table.AddRow({finding.where, finding.check, VerdictName(finding.verdict),
                  finding.detail});
    warnings += finding.verdict == Verdict::kWarning ? 1 : 0;
    failures += finding.verdict == Verdict::kFailed ? 1 : 0;
    if (finding.advice.empty()) continue;
    const std::string line = absl::StrCat(finding.where, ", ", finding.check,
                                          ": ", finding.advice, "\n");
    if (given.insert(line).second) absl::StrAppend(&advice, line);
  }
  std::string text = table.ToString();
  if (!advice.empty()) absl::StrAppend(&text, "\nWhat to do:\n", advice);
  return absl::StrCat(text, "\n", findings.size(), " checks, ", failures,
                      " failed, ", warnings, " warnings\n");
}

bool AnyFailed(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) {
                       return finding.verdict == Verdict::kFailed;
                     });
}

}  // namespace sallyport::cli
