// The rules of proto/ (style.md 2.5), checked on descriptors.
//
// The same rules as buf's STANDARD and COMMENTS, with two written exceptions:
// a standard method returns the bare resource (AIP-131), so response names and
// unique request/response types are not asked for.

#ifndef TOOLS_LINT_PROTO_STYLE_H_
#define TOOLS_LINT_PROTO_STYLE_H_

#include <google/protobuf/descriptor.pb.h>

#include <string>
#include <vector>

namespace sallyport {

// Every fault found in the files of `set` whose name starts with `prefix`, as
// "file: symbol: what". `set` must carry source info and all imports.
std::vector<std::string> ProtoStyleFaults(
    const google::protobuf::FileDescriptorSet& set, const std::string& prefix);

}  // namespace sallyport

#endif  // TOOLS_LINT_PROTO_STYLE_H_
