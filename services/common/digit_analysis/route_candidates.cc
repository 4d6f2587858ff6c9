#include "services/common/digit_analysis/route_candidates.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/match_count.h"
#include "services/common/digit_analysis/numbering_plan.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/plan_table.h"

namespace sallyport {
namespace {

using Verdict = RouteCandidate::Verdict;

struct Scored {
  RouteCandidate candidate;
  bool matches = false;
  MatchCount count;
  size_t rank = 0;    // of its partition
  size_t prefix = 0;  // symbols that agree
  std::string form;   // what '@' stands for in the closest reading
};

std::string PartitionText(const std::string& partition) {
  return partition.empty() ? "the null partition" : partition;
}

// Walks over a tenant's patterns. Thread-compatible.
class Collector {
 public:
  Collector(std::string_view number, const std::vector<std::string>& partitions,
            std::string_view winner, bool urgent)
      : number_(number),
        partitions_(partitions),
        winner_(winner),
        urgent_(urgent) {}

  void Add(const PatternRef& ref, std::string_view disabled) {
    const auto patterns = ParsePatterns(ref.text, ref.numbering_plan);
    if (!patterns.ok()) return;  // refused when it was written
    Scored s;
    s.candidate.name = *ref.name;
    s.candidate.partition = *ref.partition;
    s.candidate.pattern = std::string(ref.text);
    std::string form;
    for (const DialPattern& pattern : *patterns) {
      s.prefix = std::max(s.prefix, pattern.MatchedPrefix(number_));
      if (!pattern.Matches(number_)) continue;
      const MatchCount count = pattern.CountStrings(number_.size());
      if (s.matches && !(count < s.count)) continue;
      s.matches = true;
      s.count = count;
      if (pattern.form() != nullptr) {
        form = absl::StrCat(", with @ as ", pattern.form()->text, " (",
                            pattern.form()->name, ")");
      }
    }
    s.form = std::move(form);
    const auto it =
        std::find(partitions_.begin(), partitions_.end(), *ref.partition);
    s.rank = static_cast<size_t>(it - partitions_.begin());
    if (s.matches) s.candidate.strings_matched = s.count.ToString();
    if (!disabled.empty()) {
      s.candidate.verdict = Verdict::kDisabled;
      s.candidate.detail = std::string(disabled);
    } else if (it == partitions_.end()) {
      s.candidate.verdict = Verdict::kPartitionNotVisible;
      s.candidate.detail = absl::StrCat(s.candidate.partition,
                                        " is not in the calling search space");
    } else if (!s.matches) {
      Miss(s);
    }
    if (s.matches && *ref.name == winner_ && !winning_.has_value() &&
        disabled.empty() && it != partitions_.end()) {
      winning_ = s;
    }
    scored_.push_back(std::move(s));
  }

  std::vector<RouteCandidate> Finish() {
    std::stable_sort(
        scored_.begin(), scored_.end(), [](const Scored& a, const Scored& b) {
          if (a.matches != b.matches) return a.matches;
          if (a.matches) {
            return std::tie(a.count, a.rank) < std::tie(b.count, b.rank);
          }
          return a.prefix > b.prefix;
        });
    std::vector<RouteCandidate> out;
    size_t misses = 0;
    for (Scored& s : scored_) {
      if (!s.matches) {
        // A pattern that shares nothing is not near.
        if (s.prefix == 0 || misses == kMaxNearMisses) continue;
        ++misses;
      } else if (s.candidate.verdict == Verdict::kDoesNotMatch) {
        Judge(s);
      }
      const bool won = s.candidate.verdict == Verdict::kWon;
      out.insert(won ? out.begin() : out.end(), std::move(s.candidate));
    }
    return out;
  }

 private:
  // No match, but enabled and within reach.
  void Miss(Scored& s) const {
    if (s.prefix != number_.size()) {
      s.candidate.verdict = Verdict::kDoesNotMatch;
      s.candidate.detail =
          absl::StrCat("it stops matching at symbol ", s.prefix + 1);
    } else if (urgent_) {
      s.candidate.verdict = Verdict::kUrgentTaken;
      s.candidate.detail =
          "it would match if more digits came, but the match so far is urgent";
    } else {
      s.candidate.verdict = Verdict::kNeedsMoreDigits;
      s.candidate.detail = "it would match if more digits came";
    }
  }

  // A match that is enabled and can be reached.
  void Judge(Scored& s) const {
    RouteCandidate& c = s.candidate;
    if (!winning_.has_value()) return;
    const RouteCandidate& best = winning_->candidate;
    if (c.name == best.name && c.pattern == best.pattern) {
      c.verdict = Verdict::kWon;
      c.detail = absl::StrCat("it matches ", c.strings_matched, " of the ",
                              number_.size(), "-symbol strings, fewest of all",
                              s.form);
    } else if (s.count != winning_->count) {
      c.verdict = Verdict::kLessSpecific;
      c.detail = absl::StrCat("it matches ", c.strings_matched,
                              " strings of this length", s.form,
                              "; the chosen one ", best.strings_matched);
    } else if (s.rank != winning_->rank) {
      c.verdict = Verdict::kLaterPartition;
      c.detail = absl::StrCat("as close, but ", PartitionText(c.partition),
                              " comes after ", PartitionText(best.partition));
    } else {
      c.verdict = Verdict::kLaterName;
      c.detail = absl::StrCat("as close and in the same partition, but ",
                              best.name, " comes before it");
    }
  }

  std::string_view number_;
  const std::vector<std::string>& partitions_;
  std::string_view winner_;
  bool urgent_;
  std::vector<Scored> scored_;
  std::optional<Scored> winning_;
};

}  // namespace

std::vector<RouteCandidate> ExplainCandidates(
    const PlanSnapshot& snapshot, std::string_view tenant,
    std::string_view number, const std::vector<std::string>& partitions,
    std::string_view winner, bool urgent) {
  absl::flat_hash_set<std::string_view> disabled_partitions;
  for (const PartitionEntry& partition : snapshot.partitions) {
    if (partition.disabled) disabled_partitions.insert(partition.name);
  }
  Collector collector(number, partitions, winner, urgent);
  ForEachPattern(snapshot, [&](const PatternRef& ref) {
    if (TenantOf(*ref.name) != tenant) return;
    std::string_view disabled;
    if (ref.disabled) disabled = "it is disabled";
    if (disabled_partitions.contains(*ref.partition)) {
      disabled = "its partition is disabled";
    }
    collector.Add(ref, disabled);
  });
  return collector.Finish();
}

}  // namespace sallyport
