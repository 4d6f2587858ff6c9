// All patterns of a plan, compiled.

#ifndef SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_TABLE_H_
#define SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/digit_analysis/dial_pattern.h"
#include "services/common/digit_analysis/plan_snapshot.h"
#include "services/common/digit_analysis/route_table.h"

namespace sallyport {

// What a number can lead to. In this order where two are equally close in the
// same partition: a route pattern, such as an emergency number, wins over an
// extension.
enum class PatternKind : uint8_t {
  kRoutePattern,
  kTranslationPattern,
  kHuntPilot,
  kMessageWaitingNumber,
  kLine,
  kUser,
};

// A pattern of any kind as its resource has it.
struct PatternRef {
  PatternKind kind;
  uint32_t index;  // in the snapshot's list of its kind
  const std::string* name;
  const std::string* partition;
  std::string_view text;
  std::string_view numbering_plan;
  bool urgent = false;
  bool disabled = false;
};

// Calls `visit` with each pattern that calls are routed by, in the order that
// breaks ties. Patterns that are a sip_domain are left out.
void ForEachPattern(const PlanSnapshot& snapshot,
                    absl::FunctionRef<void(const PatternRef&)> visit);

// The number that a line's or message waiting number's pattern is: "\\+1201"
// is "+1201". kInvalidArgument, reason NUMBER_INVALID.
absl::StatusOr<std::string> NumberOfPattern(std::string_view text);

// Closest match over partitions, by calling search space (protocols.md section
// 11.2). Points into nothing: entries are given by kind and index. Immutable.
class PlanTable {
 public:
  // Partitions to look in, in order.
  using Spaces = absl::InlinedVector<uint32_t, 16>;

  struct Found {
    PatternKind kind;
    uint32_t index;  // in the snapshot's list of its kind
    bool urgent;
    uint16_t form;  // which of the numbering plan's, if it has '@'
  };
  // A change of numbers: called or calling party transformation.
  struct FoundChange {
    uint32_t index;
    uint16_t form;
  };

  // A pattern that cannot be compiled is an error that names it:
  // kInvalidArgument, reason as DialPattern::Parse gives it.
  static absl::StatusOr<PlanTable> Compile(const PlanSnapshot& snapshot);

  // Adds what a calling search space shows, and of a tenant what is always
  // reachable.
  void AddSearchSpace(std::string_view search_space, Spaces& spaces) const;
  void AddNullPartition(std::string_view tenant, Spaces& spaces) const;

  std::optional<Found> Find(const Spaces& spaces,
                            std::string_view number) const;
  bool LongerPossible(const Spaces& spaces, std::string_view number) const {
    return calls_.LongerPossible(spaces, number);
  }
  // The route pattern whose sip_domain takes `host`, lower case: itself before
  // the closest domain above it, then the order of partitions.
  std::optional<uint32_t> FindDomain(const Spaces& spaces,
                                     std::string_view host) const;
  std::optional<FoundChange> FindCalledChange(const Spaces& spaces,
                                              std::string_view number) const;
  std::optional<FoundChange> FindCallingChange(const Spaces& spaces,
                                               std::string_view number) const;

  size_t pattern_count() const { return rows_.size(); }
  // Octets of memory held.
  size_t memory() const;

 private:
  struct Row {
    uint32_t index;
    uint16_t form;
    PatternKind kind;
    bool urgent;
  };
  // Transformation patterns of one side.
  struct Changes {
    RouteTable table;
    std::vector<FoundChange> rows;
  };
  class Compiler;

  static std::optional<FoundChange> FindIn(const Changes& changes,
                                           const Spaces& spaces,
                                           std::string_view number);

  RouteTable calls_;
  std::vector<Row> rows_;
  Changes called_;
  Changes calling_;
  absl::flat_hash_map<std::string, Spaces> search_spaces_;  // by name
  absl::flat_hash_map<std::string, uint32_t> null_space_;   // by tenant
  // By partition and domain, as written.
  absl::flat_hash_map<std::pair<uint32_t, std::string>, uint32_t> domains_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_DIGIT_ANALYSIS_PLAN_TABLE_H_
