"""redispy and a real server get the same commands (cases/*.txt) and must give the same replies."""
import differ
import known_differences
import pytest

BLOCKS = differ.load()


@pytest.mark.compat
@pytest.mark.parametrize("block", BLOCKS, ids=[f"{block.file}:{block.name}" for block in BLOCKS])
def test_same_replies(block, protocol, server, reference):
    known = known_differences.judge(reference.about)
    differences = differ.run(block, server, reference, protocol, known)
    assert not differences, f"{len(differences)} differ from {reference.about}:\n" + "\n".join(map(str, differences))
