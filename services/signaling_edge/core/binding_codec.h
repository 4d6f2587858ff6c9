// The bindings of one user as text for other edges (a shared registrar).
#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_CODEC_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/time/mono_time.h"
#include "services/signaling_edge/core/binding.h"

namespace sallyport::signaling_edge {

// What a registry holds of one user. `epoch` is drawn when there was nothing
// before, and `generation` grows with each write, so that a registry that has
// lost something is seen to have.
struct StoredBindings {
  uint64_t epoch = 0;
  uint64_t generation = 0;
  std::vector<Binding> bindings;  // their `flow` is empty, `owner` says it
};

// The same moment by two clocks: times of bindings are stored as wall time.
struct Moment {
  MonoTime mono;
  absl::Time wall;
};

// Every binding has an owner.
std::string EncodeBindings(const StoredBindings& stored, const Moment& now);

// DATA_LOSS (REGISTRY_MALFORMED) when it is not what EncodeBindings makes.
// Bindings that have expired are left out; ids are 0, `user` is put in.
absl::StatusOr<StoredBindings> DecodeBindings(std::string_view text,
                                              std::string_view user,
                                              const Moment& now);

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_CORE_BINDING_CODEC_H_
