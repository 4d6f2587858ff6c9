"""Helm, which renders the chart. tools/dev/install_helm builds it."""

import os
import shutil
import subprocess

CHART = 'charts/sallyport'
HELM = os.environ.get('HELM') or shutil.which('helm') or os.path.expanduser('~/go/bin/helm')


def template(*arguments):
    """What `helm template` says of the chart: exit status, output, errors."""
    if not os.access(HELM, os.X_OK):
        raise FileNotFoundError(f'no Helm at {HELM}: see tools/dev/install_helm')
    return subprocess.run([HELM, 'template', '--kube-version', '1.30', 'x', CHART, *arguments],
                          capture_output=True, text=True, check=False)
