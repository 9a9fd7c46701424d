"""What the tests with matrix-nio share: answers of a kind, and running steps one after the other."""

import asyncio

PASSWORD = "correct horse battery staple"
LIMIT = 60


def is_a(answer, kind):
    assert isinstance(answer, kind), f"expected {kind.__name__}, got {answer!r}"
    return answer


async def run_steps(story):
    """Runs the public methods of a story but `close`, in the order in which they are written. Each is one fact and
    stands on those before it; the last line counts them."""
    steps = [
        step
        for name, step in vars(type(story)).items()
        if not name.startswith("_") and name != "close"
    ]
    passed = 0
    try:
        for step in steps:
            try:
                await asyncio.wait_for(step(story), LIMIT)
            except Exception as error:
                print(f"not ok - {step.__name__}: {type(error).__name__}: {error}")
                break
            passed += 1
            print(f"ok - {step.__name__}")
    finally:
        await story.close()
    # A step that was not reached has not passed.
    print(f"{passed} passed, {len(steps) - passed} failed")
    return 0 if passed == len(steps) else 1
