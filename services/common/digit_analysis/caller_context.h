// Who calls, and what that allows.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_CALLER_CONTEXT_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_CALLER_CONTEXT_H_

#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "services/common/digit_analysis/plan_index.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/resolution.h"

namespace sallyport {

// Which lines and phones belong to whom. Immutable.
class CallerIndex {
 public:
  // `index` must outlive this object.
  explicit CallerIndex(const PlanIndex& index);

  // The lines of a user: first those of its phone, in the order of its
  // buttons, then those that list the user.
  const absl::InlinedVector<const LineEntry*, 2>& LinesOf(
      const UserEntry& user) const;
  // The line by which a user calls: the one whose number is `calling`, else the
  // first. Null if it has none.
  const LineEntry* LineOf(const UserEntry& user,
                          std::string_view calling) const;
  // The phones that are the user's, in the order of the plan.
  const absl::InlinedVector<const PhoneEntry*, 1>& PhonesOf(
      const UserEntry& user) const;
  // The first of a line's users that there is, or null.
  const UserEntry* UserOf(const LineEntry& line) const;

 private:
  const PlanIndex& index_;
  // By user name.
  absl::flat_hash_map<std::string_view,
                      absl::InlinedVector<const LineEntry*, 2>>
      lines_;
  absl::flat_hash_map<std::string_view,
                      absl::InlinedVector<const PhoneEntry*, 1>>
      phones_;
};

// A caller as digit analysis sees it. Pointers are into the plan.
struct CallerContext {
  const UserEntry* user = nullptr;
  const PeerEntry* peer = nullptr;
  const LineEntry* line = nullptr;  // by which it calls
  SecurityMode mode = SecurityMode::kUnsecured;
  // Calling search spaces, by name: line before device.
  absl::InlinedVector<std::string_view, 2> search_spaces;
  std::string_view restriction;    // dialling restriction; may be empty
  std::string_view external_mask;  // of its line
  absl::Duration interdigit_timeout = absl::Seconds(15);
  // Why it may not call: a reason as Resolution::reason; empty if it may.
  std::string_view refused;
  std::string refused_detail;
};

// Tells who the query's caller is. The line is that of CallerIndex::LineOf.
CallerContext ContextOf(const RouteQuery& query, const PlanIndex& index,
                        const CallerIndex& callers);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_CALLER_CONTEXT_H_
