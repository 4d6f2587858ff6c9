// The filter of list methods.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_LIST_FILTER_H_
#define SALLYPORT_SERVICES_COMMON_RPC_LIST_FILTER_H_

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace sallyport {

// Comparisons joined by AND, all of which must hold:
//
//   display_name = "Main gateway" AND status = PEER_STATUS_DISABLED
//   called_party.prefix_digits != "9" AND partitions = "tenants/t/partitions/p"
//   not_after_time < "2026-12-01T00:00:00Z" AND failure_count >= 3
//
// A field may be one of a message inside. Values are strings in quotes (with
// \" and \\), true, false, whole numbers, and names of enum values; times
// (RFC 3339) and durations ("90s", "1h30m") stand in quotes. Numbers, times
// and durations also take <, <=, > and >=. A list equals a value if one of its
// items does; a time or duration that is not set is neither equal nor more nor
// less. Immutable.
class ListFilter {
 public:
  // Reads a filter for resources of type `resource`; empty text lets all
  // through. INVALID_ARGUMENT, reason FILTER_INVALID, says what is wrong and
  // at which character. At most kMaxTerms comparisons.
  static absl::StatusOr<ListFilter> Parse(
      std::string_view text, const google::protobuf::Descriptor& resource);

  // A text, or what can be ordered: a number, or nanoseconds.
  using Value = std::variant<std::string, absl::int128>;
  enum class Comparison { kEqual, kNotEqual, kLess, kAtMost, kMore, kAtLeast };

  static constexpr size_t kMaxText = 1024;
  static constexpr size_t kMaxTerms = 16;

  bool Matches(const google::protobuf::Message& resource) const;
  bool empty() const { return terms_.empty(); }

 private:
  struct Term {
    // From the resource to the field.
    std::vector<const google::protobuf::FieldDescriptor*> path;
    Comparison comparison = Comparison::kEqual;
    Value value;
  };

  std::vector<Term> terms_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_LIST_FILTER_H_
