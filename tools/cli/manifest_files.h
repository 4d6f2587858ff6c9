// Manifests as an operator names them: files, folders, standard input.

#ifndef SALLYPORT_TOOLS_CLI_MANIFEST_FILES_H_
#define SALLYPORT_TOOLS_CLI_MANIFEST_FILES_H_

#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/cli/manifest.h"

namespace sallyport::cli {

// The whole of a file, or of `in` for "-". NOT_FOUND, FILE_UNREADABLE.
absl::StatusOr<std::string> ReadInput(const std::string& path,
                                      std::istream& in);

// Every document of `paths`: files, "-" for `in`, and folders, of which every
// file below them is read that ends in .yaml, .yml or .json, in the order of
// their paths. Errors are those of ReadInput and ParseManifest, with the faults
// of all files at once; a name may be given once in all of them.
absl::StatusOr<std::vector<ManifestEntry>> ReadManifests(
    const std::vector<std::string>& paths, const std::string& tenant,
    std::istream& in);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_MANIFEST_FILES_H_
